"""The connections that the clients call, with everything the fake providers must know of them."""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Connection:
    base_url: str
    inject: str
    secret: str
    # What a sidecar's client holds in place of a key; some look at its form.
    dummy: str = "dummy-9Zt"

    @property
    def host(self):
        return urlsplit(self.base_url).netloc

    @property
    def base_path(self):
        return urlsplit(self.base_url).path


BEARER = "{ header: Authorization, value: 'Bearer {secret}' }"
ACCOUNT = "AC" + "0" * 32
BOT = "123456789:AAHfiqksKZ8WmR2zSjiQ7_v4TMAKdiHm9T0"

# Connectors have the plain names.
PREFIX = "my-"
CONNECTIONS = {
    "openai": Connection("https://api.openai.com", BEARER, "sk-proj-own-Openai-4Qw"),
    "anthropic": Connection("https://api.anthropic.com", "{ header: x-api-key }", "sk-ant-api03-own-8Rt"),
    "anthropic-bearer": Connection("https://api.anthropic.com", BEARER, "sk-ant-api03-own-8Rt"),
    "gemini": Connection(
        "https://generativelanguage.googleapis.com", "{ header: x-goog-api-key }", "AIzaOwnOwnOwnOwnOwnOwnOwnOwnOwnOwnOwn12"
    ),
    "stripe": Connection("https://api.stripe.com", BEARER, "sk_test_ownStripe5Nm", "sk_test_dummy9Zt"),
    "twilio": Connection(
        "https://api.twilio.com", f"{{ basic: {{ username: {ACCOUNT}, password: '{{secret}}' }} }}", "1" * 16 + "f" * 16
    ),
    "slack": Connection("https://slack.com", BEARER, "xoxb-1-2-ownSlack7Yh"),
    "slack-webhook": Connection("https://hooks.slack.com/services/T00/B00", "{ path: '/{secret}' }", "ownWebhook24Characters3Kp"),
    "notion": Connection("https://api.notion.com", BEARER, "ntn_11111111111ownNotion2Df"),
    "airtable": Connection("https://api.airtable.com", BEARER, "patOwnOwnOwnOwnOw.ownAirtable6Gj"),
    "github": Connection("https://api.github.com", BEARER, "ghp_ownGithub1Bv"),
    "telegram": Connection("https://api.telegram.org", "{ path: '/bot{secret}' }", BOT, "111111111:dummy-9Zt"),
    "telegram-files": Connection("https://api.telegram.org", "{ path: '/file/bot{secret}' }", BOT, "111111111:dummy-9Zt"),
}
