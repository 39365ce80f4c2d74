"""The providers' APIs, as far as the clients here use them, in their real forms."""

import base64
import hmac
import json
from urllib.parse import unquote

from connections import ACCOUNT, BOT, CONNECTIONS, WEBHOOK

BETWEEN_PARTS = 0.06
REPOSITORY = "https://api.github.com/repos/ann/tools"


def answer(host, call):
    """Status, what is sent (JSON, bytes or parts that come one by one), fields."""
    reply = APIS[host](call)
    return reply if isinstance(reply, tuple) else (200, reply, {})


class Parts(list):
    """What is sent part by part."""


def holds(call, name, value):
    return hmac.compare_digest("\0".join(call.fields.get_all(name, [])).encode(), value.encode())


def bearer(call, connection):
    return holds(call, "Authorization", f"Bearer {CONNECTIONS[connection].secret}")


def events(*parts, named=False, end="\n"):
    """Server-sent events, each a part."""
    lines = [(f"event: {part['type']}{end}" if named else "") + f"data: {json.dumps(part)}{end * 2}" for part in parts]
    return Parts(line.encode() for line in lines)


EVENTS = {"Content-Type": "text/event-stream; charset=utf-8"}
WORDS = ["One ", "two ", "three ", "four."]


def openai(call):
    if not bearer(call, "openai"):
        return 401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}, {}
    match call.method, call.path:
        case "POST", "/v1/chat/completions":
            return chat(call)
        case "POST", "/v1/responses":
            return 200, events(*responses(), named=True), EVENTS
        case "POST", "/v1/embeddings":
            numbers = base64.b64encode(b"\0\0\x80?\0\0\0@").decode()
            return {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": numbers}]}
        case "POST", "/v1/files":
            return {"id": "file-1", "object": "file", "bytes": len(call.body), "filename": "a.jsonl", "purpose": "batch"}
        case "GET", "/v1/files":
            after = call.query.get("after")
            data = [{"id": f"file-{n}", "object": "file"} for n in ((3,) if after else (1, 2))]
            return {"object": "list", "data": data, "has_more": not after, "last_id": data[-1]["id"]}
        case "GET", "/v1/files/file-1/content":
            return 200, bytes(range(256)) * 4000, {"Content-Type": "application/octet-stream"}
    return 404, {"error": {"message": "Not found"}}, {}


def chat(call):
    asked = call.json
    # A client that is told to come again does so, and says which attempt it is.
    if asked["model"] == "busy" and call.fields.get("x-stainless-retry-count") == "0":
        return 429, {"error": {"message": "Rate limit reached"}}, {"Retry-After-Ms": "10"}
    whole = {"id": "chatcmpl-1", "created": 1, "model": asked["model"]}
    if not asked.get("stream"):
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "".join(WORDS)}}
        return {**whole, "object": "chat.completion", "choices": [choice]}
    whole["object"] = "chat.completion.chunk"
    deltas = [{"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": None} for word in WORDS]
    return 200, Parts([*events(*({**whole, "choices": [delta]} for delta in deltas)), b"data: [DONE]\n\n"]), EVENTS


def responses():
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    message = {"type": "message", "id": "msg_1", "status": "in_progress", "role": "assistant", "content": []}
    text = {"type": "output_text", "text": "", "annotations": []}
    whole = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": []}
    told = [
        {"type": "response.created", "response": whole},
        {"type": "response.output_item.added", "output_index": 0, "item": message},
        {"type": "response.content_part.added", **place, "part": text},
        *({"type": "response.output_text.delta", **place, "delta": word, "logprobs": []} for word in WORDS),
        {"type": "response.output_text.done", **place, "text": "".join(WORDS), "logprobs": []},
    ]
    message = {**message, "status": "completed", "content": [{**text, "text": "".join(WORDS)}]}
    told.append({"type": "response.completed", "response": {**whole, "output": [message]}})
    return [{**event, "sequence_number": at} for at, event in enumerate(told)]


def anthropic(call):
    # Earlier clients send the one, newer ones the other.
    if not holds(call, "x-api-key", CONNECTIONS["anthropic"].secret) and not bearer(call, "anthropic"):
        return 401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}, {}
    match call.method, call.path:
        case "POST", "/v1/messages":
            message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
            used = {"input_tokens": 3, "output_tokens": 4}
            if call.json.get("stream"):
                return 200, events(*spoken(message, used), named=True), EVENTS
            text = [{"type": "text", "text": "".join(WORDS)}]
            return {**message, "content": text, "stop_reason": "end_turn", "usage": used}
        case "POST", "/v1/messages/count_tokens":
            return {"input_tokens": 3}
        case "GET", "/v1/models":
            after = call.query.get("after_id")
            data = [{"type": "model", "id": f"m-{n}", "display_name": "M"} for n in ((3,) if after else (1, 2))]
            return {"data": data, "has_more": not after, "first_id": data[0]["id"], "last_id": data[-1]["id"]}
    return 404, {"type": "error", "error": {"type": "not_found_error", "message": "Not found"}}, {}


def spoken(message, used):
    begun = {**message, "content": [], "stop_reason": None, "usage": {**used, "output_tokens": 0}}
    yield {"type": "message_start", "message": begun}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "ping"}
    for word in WORDS:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": used}
    yield {"type": "message_stop"}


def gemini(call):
    keys = call.fields.get_all("x-goog-api-key", []) + [value for name, value in call.query.items() if name == "key"]
    if keys != [CONNECTIONS["gemini"].secret]:
        return 400, {"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}}, {}

    def said(text):
        return {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}], "modelVersion": "m"}

    match call.method, call.path:
        case "POST", "/v1/models/m:generateContent":
            return said("".join(WORDS))
        case "POST", "/v1/models/m:streamGenerateContent" if call.query == {"alt": "sse"}:
            return 200, events(*map(said, WORDS), end="\r\n"), EVENTS
        case "GET", "/v1/models":
            if "pageToken" in call.query:
                return {"models": [{"name": "models/m-3"}]}
            return {"models": [{"name": "models/m-1"}, {"name": "models/m-2"}], "nextPageToken": "next/page=="}
    return 404, {"error": {"code": 404, "message": "Not found", "status": "NOT_FOUND"}}, {}


def stripe(call):
    if not bearer(call, "stripe"):
        return 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}, {}
    named = {"Request-Id": "req_1"}
    match call.method, call.path:
        case "POST", "/v1/customers":
            return 200, {"id": "cus_1", "object": "customer", "email": call.form["email"]}, named
        case "GET", "/v1/customers":
            after = call.query.get("starting_after")
            data = [{"id": f"cus_{n}", "object": "customer"} for n in ((3,) if after else (1, 2))]
            return 200, {"object": "list", "url": "/v1/customers", "has_more": not after, "data": data}, named
        case "POST", "/v1/payment_intents":
            said = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
            return 402, {"error": said}, named
    return 404, {"error": {"type": "invalid_request_error", "message": "Unrecognized request URL"}}, {}


def twilio(call):
    pair = base64.b64encode(f"{ACCOUNT}:{CONNECTIONS['twilio'].secret}".encode()).decode()
    if not holds(call, "Authorization", f"Basic {pair}"):
        return 401, {"code": 20003, "message": "Authenticate", "status": 401}, {}
    messages = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    if call.path != messages:
        return 404, {"code": 20404, "message": "Not found", "status": 404}, {}
    if call.method == "POST":
        return 201, {"sid": "SM1", "status": "queued", "body": call.form["Body"], "to": call.form["To"]}, {}
    later = "PageToken" in call.query
    following = None if later else f"{messages}?PageSize=2&Page=1&PageToken=PASM2"
    found = [{"sid": f"SM{n}"} for n in ((3,) if later else (1, 2))]
    return {"messages": found, "next_page_uri": following, "page": int(later), "page_size": 2, "uri": messages}


def slack(call):
    if not bearer(call, "slack"):
        return {"ok": False, "error": "invalid_auth"}
    match call.path:
        case "/api/auth.test":
            return {"ok": True, "user": "ann", "team_id": "T00"}
        case "/api/chat.postMessage":
            return {"ok": True, "channel": "C1", "ts": "1.2", "message": {"text": call.json["text"]}}
        case "/api/conversations.list":
            cursor = {**call.query, **call.form}.get("cursor")
            found = [{"id": f"C{n}"} for n in ((3,) if cursor else (1, 2))]
            return {"ok": True, "channels": found, "response_metadata": {"next_cursor": "" if cursor else "bmV4dA=="}}
    return {"ok": False, "error": "unknown_method"}


def slack_webhook(call):
    if call.path != WEBHOOK + CONNECTIONS["slack-webhook"].secret:
        return 404, b"no_service", {"Content-Type": "text/html"}
    return 200, b"ok" if call.json["text"] else b"no_text", {"Content-Type": "text/html"}


def notion(call):
    if not bearer(call, "notion") or not call.fields.get("Notion-Version"):
        return 401, {"object": "error", "status": 401, "code": "unauthorized", "message": "API token is invalid."}, {}
    match call.method, call.path:
        case "GET", "/v1/users/me":
            return {"object": "user", "id": "u-1", "type": "bot"}
        case "POST", "/v1/pages":
            return {"object": "page", "id": "p-1", "properties": call.json["properties"]}
        case "GET", "/v1/users":
            later = "start_cursor" in call.query
            found = [{"object": "user", "id": f"u-{n}"} for n in ((3,) if later else (1, 2))]
            return {"object": "list", "results": found, "has_more": not later, "next_cursor": None if later else "u-3"}
    return 404, {"object": "error", "status": 404, "code": "object_not_found", "message": "Not found"}, {}


def airtable(call):
    if not bearer(call, "airtable"):
        return 401, {"error": {"type": "AUTHENTICATION_REQUIRED", "message": "Authentication required"}}, {}

    def record(n, fields):
        return {"id": f"rec{n}", "createdTime": "2026-01-01T00:00:00.000Z", "fields": fields}

    match call.method, call.path:
        case "GET", "/v0/meta/whoami":
            return {"id": "usr1", "scopes": []}
        case "GET", "/v0/appOne/Two%20words":
            if "offset" in call.query:
                return {"records": [record(3, {"Name": "c"})]}
            return {"records": [record(1, {"Name": "a"}), record(2, {"Name": "b"})], "offset": "itr1/rec2"}
        case "POST", "/v0/appOne/Two%20words":
            return record(4, call.json["fields"])
    return 404, {"error": "NOT_FOUND"}, {}


def github(call):
    """With absolute URLs of its own, as the real one."""
    if not holds(call, "Authorization", f"token {CONNECTIONS['github'].secret}") and not bearer(call, "github"):
        return 401, {"message": "Bad credentials", "status": "401"}, {}
    match call.method, call.path:
        case "GET", "/user":
            return {"login": "ann", "id": 1, "url": "https://api.github.com/users/ann"}
        case "GET", "/user/repos":
            page = int(call.query.get("page", "1"))
            following = '<https://api.github.com/user/repos?page=2>; rel="next"'
            found = [{"id": page, "full_name": f"ann/{page}", "url": f"https://api.github.com/repos/ann/{page}"}]
            return 200, found, {"Link": following} if page == 1 else {}
        case "GET", "/repos/ann/tools":
            return {"id": 7, "full_name": "ann/tools", "description": "Tools", "url": REPOSITORY}
        case "POST", "/repos/ann/tools/issues":
            return 201, {"number": 5, "title": call.json["title"], "url": f"{REPOSITORY}/issues/5"}, {}
    return 404, {"message": "Not Found", "status": "404"}, {}


def telegram(call):
    if unquote(call.path) == f"/file/bot{BOT}/documents/file_1.txt":
        return 200, b"what was sent", {"Content-Type": "application/octet-stream"}
    begin, _, what = call.path.rpartition("/")
    if begin != f"/bot{BOT}":
        return 404, {"ok": False, "error_code": 404, "description": "Not Found"}, {}
    message = {"message_id": 9, "date": 1, "chat": {"id": 5, "type": "private"}}
    document = {"file_id": "F1", "file_unique_id": "U1", "file_name": "a.txt"}
    match what:
        case "getMe":
            result = {"id": 123456789, "is_bot": True, "first_name": "B", "username": "own_bot"}
        case "sendMessage":
            result = {**message, "text": call.form["text"]}
        case "sendDocument":
            result = {**message, "document": document} if b"what was sent" in call.body else None
        case "getUpdates":
            result = [{"update_id": 1, "message": {**message, "text": "hello"}}]
        case "getFile":
            result = {**document, "file_path": "documents/file_1.txt"}
        case _:
            return 404, {"ok": False, "error_code": 404, "description": "Not Found"}, {}
    return {"ok": True, "result": result}


APIS = {
    "api.openai.com": openai,
    "api.anthropic.com": anthropic,
    "generativelanguage.googleapis.com": gemini,
    "api.stripe.com": stripe,
    "api.twilio.com": twilio,
    "slack.com": slack,
    "hooks.slack.com": slack_webhook,
    "api.notion.com": notion,
    "api.airtable.com": airtable,
    "api.github.com": github,
    "api.telegram.org": telegram,
}
