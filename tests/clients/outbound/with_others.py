"""stripe, twilio, slack_sdk, notion-client, pyairtable, PyGithub and python-telegram-bot."""

import github
import notion_client
import pyairtable
import slack_sdk
import stripe
import telegram
from connections import ACCOUNT, WEBHOOK
from notion_client.helpers import iterate_paginated_api
from slack_sdk.webhook import WebhookClient
from twilio.rest import Client as Twilio
from ways import refused, run, same


def stripe_pages_and_errors(way):
    client = stripe.StripeClient(way.key("stripe"), base_addresses={"api": way.base("stripe")})
    made = client.v1.customers.create({"email": "ann@example.com", "metadata": {"a b": "ü&="}}, {"idempotency_key": "i-1"})
    same("created", (made.id, made.email), ("cus_1", "ann@example.com"))
    found = client.v1.customers.list({"limit": 2, "expand": ["data.subscriptions"]})
    same("pages", [customer.id for customer in found.auto_paging_iter()], ["cus_1", "cus_2", "cus_3"])
    intent = {"amount": 1, "currency": "eur"}
    declined = refused(stripe.CardError, lambda: client.v1.payment_intents.create(intent))
    same("declined", declined.code, "card_declined")


def twilio_sends_and_pages(way):
    client = Twilio(ACCOUNT, way.key("twilio"))
    client.api.base_url = way.base("twilio")
    sent = client.messages.create(to="+15005550006", from_="+15005550001", body="Hello & ü")
    same("sent", (sent.sid, sent.body), ("SM1", "Hello & ü"))
    same("pages", [message.sid for message in client.messages.list(page_size=2)], ["SM1", "SM2", "SM3"])


def slack_talks_and_pages(way):
    client = slack_sdk.WebClient(token=way.key("slack"), base_url=way.base("slack") + "/api/")
    same("who", client.auth_test()["user"], "ann")
    same("said", client.chat_postMessage(channel="C1", text="Hello <ü>")["message"]["text"], "Hello <ü>")
    pages = client.conversations_list(limit=2)
    same("pages", [channel["id"] for page in pages for channel in page["channels"]], ["C1", "C2", "C3"])


def slack_webhooks_are_posted_to(way):
    """The whole URL is the secret, so the connection has no path, and the token a header of its own."""
    url, key, fields = way.base("slack-webhook"), way.key("slack-webhook"), {}
    if way.name == "direct":
        url += WEBHOOK + key
    if way.name == "token":
        fields = {"Keystile-Key": key}
    said = WebhookClient(url, default_headers=fields).send(text="Hello")
    same("posted", (said.status_code, said.body), (200, "ok"))


def notion_reads_and_pages(way):
    client = notion_client.Client(auth=way.key("notion"), base_url=way.base("notion"))
    same("who", client.users.me()["id"], "u-1")
    made = client.pages.create(parent={"page_id": "p"}, properties={"title": [{"text": {"content": "ü"}}]})
    same("made", made["properties"]["title"][0]["text"]["content"], "ü")
    found = iterate_paginated_api(client.users.list, page_size=2)
    same("pages", [user["id"] for user in found], ["u-1", "u-2", "u-3"])


def airtable_reads_and_pages(way):
    api = pyairtable.Api(way.key("airtable"), endpoint_url=way.base("airtable"))
    same("who", api.whoami()["id"], "usr1")
    table = api.table("appOne", "Two words")
    same("pages", [record["id"] for record in table.all(page_size=2)], ["rec1", "rec2", "rec3"])
    same("created", table.create({"Name": "d"})["fields"], {"Name": "d"})


def github_reads_and_writes(way):
    """Pages by their number: the URLs that GitHub names for the next ones are its own, not the gateway's."""
    there = {"base_url": way.base("github"), "auth": github.Auth.Token(way.key("github"))}
    hub = github.Github(**there, lazy=True, seconds_between_requests=None, seconds_between_writes=None)
    same("who", hub.get_user().login, "ann")
    repositories = hub.get_user().get_repos()
    same("pages", [repositories.get_page(n)[0].full_name for n in (0, 1)], ["ann/1", "ann/2"])
    repository = hub.get_repo("ann/tools")
    same("made", repository.create_issue("Title", body="ü").number, 5)
    same("read", repository.description, "Tools")


async def telegram_talks_and_sends_files(way):
    token, files = way.key("telegram"), way.base("telegram-files") + "/file/bot"
    async with telegram.Bot(token, base_url=way.base("telegram") + "/bot", base_file_url=files) as bot:
        same("who", bot.username, "own_bot")
        same("said", (await bot.send_message(5, "Hello ü")).text, "Hello ü")
        same("updates", [update.message.text for update in await bot.get_updates()], ["hello"])
        sent = await bot.send_document(5, b"what was sent", filename="a.txt")
        file = await bot.get_file(sent.document.file_id)
        same("a file", bytes(await file.download_as_bytearray()), b"what was sent")


run(
    stripe_pages_and_errors,
    twilio_sends_and_pages,
    slack_talks_and_pages,
    slack_webhooks_are_posted_to,
    notion_reads_and_pages,
    airtable_reads_and_pages,
    github_reads_and_writes,
    telegram_talks_and_sends_files,
)
