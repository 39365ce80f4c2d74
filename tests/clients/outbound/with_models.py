"""openai, anthropic and google-genai."""

import anthropic
import openai
from google import genai
from google.genai import errors
from ways import Way, as_it_comes, as_it_comes_async, refused, run, same

TEXT = "One two three four."
ASKED = [{"role": "user", "content": "Count! Zähle! 数えて"}]


def openai_answers_and_streams(way):
    client = openai.OpenAI(base_url=way.base("openai") + "/v1", api_key=way.key("openai"), max_retries=0)
    said = client.chat.completions.create(model="m", messages=ASKED)
    same("a completion", said.choices[0].message.content, TEXT)
    parts = as_it_comes("chat", client.chat.completions.create(model="m", messages=ASKED, stream=True))
    same("a stream", "".join(part.choices[0].delta.content for part in parts), TEXT)
    with client.responses.stream(model="m", input="Count!") as stream:
        as_it_comes("responses", stream)
        same("a response", stream.get_final_response().output_text, TEXT)


def openai_pages_and_files(way):
    client = openai.OpenAI(base_url=way.base("openai") + "/v1", api_key=way.key("openai"))
    same("embedding", client.embeddings.create(model="m", input="x").data[0].embedding, [1.0, 2.0])
    sent = client.files.create(file=("a.jsonl", b'{"a": 1}\n' * 50_000), purpose="batch")
    same("pages", [file.id for file in client.files.list()], ["file-1", "file-2", "file-3"])
    same("a file", client.files.content(sent.id).read(), bytes(range(256)) * 4000)
    busy = client.chat.completions.create(model="busy", messages=ASKED)
    same("after 429", busy.choices[0].message.content, TEXT)


def openai_by_its_connectors_name(way):
    with openai.OpenAI(base_url=way.default("openai") + "/v1", api_key=way.key("openai"), max_retries=0) as client:
        same("embedding", client.embeddings.create(model="m", input="x").data[0].embedding, [1.0, 2.0])


async def openai_async(way):
    async with openai.AsyncOpenAI(base_url=way.base("openai") + "/v1", api_key=way.key("openai")) as client:
        stream = await client.chat.completions.create(model="m", messages=ASKED, stream=True)
        parts = await as_it_comes_async("chat", stream)
        same("a stream", "".join(part.choices[0].delta.content for part in parts), TEXT)


def anthropic_answers_and_streams(way):
    client = anthropic.Anthropic(base_url=way.base("anthropic"), api_key=way.key("anthropic"))
    asked = {"model": "m", "max_tokens": 64, "messages": ASKED}
    same("a message", client.messages.create(**asked).content[0].text, TEXT)
    with client.messages.stream(**asked) as stream:
        same("a stream", "".join(as_it_comes("messages", stream.text_stream)), TEXT)
        same("the whole", stream.get_final_message().usage.output_tokens, 4)
    same("tokens", client.messages.count_tokens(model="m", messages=ASKED).input_tokens, 3)
    same("pages", [model.id for model in client.models.list()], ["m-1", "m-2", "m-3"])


async def anthropic_async(way):
    async with anthropic.AsyncAnthropic(base_url=way.base("anthropic"), api_key=way.key("anthropic")) as client:
        async with client.messages.stream(model="m", max_tokens=64, messages=ASKED) as stream:
            same("a stream", "".join(await as_it_comes_async("messages", stream.text_stream)), TEXT)


def gemini(way):
    options = genai.types.HttpOptions(base_url=way.base("gemini"))
    return genai.Client(api_key=way.key("gemini"), http_options=options)


def genai_answers_and_streams(way):
    client = gemini(way)
    same("content", client.models.generate_content(model="m", contents="Count!").text, TEXT)
    parts = as_it_comes("content", client.models.generate_content_stream(model="m", contents="Count!"))
    same("a stream", "".join(part.text for part in parts), TEXT)
    same("pages", [model.name for model in client.models.list()], ["models/m-1", "models/m-2", "models/m-3"])


async def genai_async(way):
    client = gemini(way)
    stream = await client.aio.models.generate_content_stream(model="m", contents="Count!")
    same("a stream", "".join(part.text for part in await as_it_comes_async("content", stream)), TEXT)
    await client.aio.aclose()


def refusals_are_the_libraries_own_errors():
    way, nobodys = Way("token"), "kst_nobodys"
    client = openai.OpenAI(base_url=way.base("openai") + "/v1", api_key=nobodys)
    same("openai", refused(openai.AuthenticationError, client.models.list).body["code"], "invalid_key")
    client = anthropic.Anthropic(base_url=way.base("anthropic"), api_key=nobodys)
    same("anthropic", refused(anthropic.AuthenticationError, client.models.list).body["code"], "invalid_key")
    client = genai.Client(api_key=nobodys, http_options=genai.types.HttpOptions(base_url=way.base("gemini")))
    same("google-genai", refused(errors.ClientError, client.models.list).code, 401)
    client = openai.OpenAI(base_url=way.base("nothing") + "/v1", api_key=way.key("openai"))
    same("elsewhere", refused(openai.NotFoundError, client.models.list).body["code"], "connection_not_found")


run(
    openai_answers_and_streams,
    openai_pages_and_files,
    openai_by_its_connectors_name,
    openai_async,
    anthropic_answers_and_streams,
    anthropic_async,
    genai_answers_and_streams,
    genai_async,
    refusals_are_the_libraries_own_errors,
)
