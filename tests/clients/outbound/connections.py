"""The connections that the clients call, with everything the fake providers must know of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Connection:
    host: str
    # What the configuration says of it, besides its name and its secret: mostly which connector it has.
    says: str
    secret: str
    # What a sidecar's client holds in place of a key; some look at its form.
    dummy: str = "dummy-9Zt"
    # What the configuration has for its secret.
    whole_secret: str = "{secret}"

    @property
    def written_secret(self):
        return self.whole_secret.format(secret=self.secret)


ACCOUNT = "AC" + "0" * 32
BOT = "123456789:AAHfiqksKZ8WmR2zSjiQ7_v4TMAKdiHm9T0"
BOT_DUMMY = "111111111:dummy-9Zt"
WEBHOOK = "/services/T00/B00/"

# Connectors have the plain names.
PREFIX = "my-"
CONNECTIONS = {
    "openai": Connection("api.openai.com", "connector: openai, default: true", "sk-proj-own-Openai-4Qw"),
    "anthropic": Connection("api.anthropic.com", "connector: anthropic", "sk-ant-api03-own-8Rt"),
    "gemini": Connection("generativelanguage.googleapis.com", "connector: gemini", "AIzaOwnOwnOwnOwnOwnOwnOwnOwnOwnOwnOwn12"),
    "stripe": Connection("api.stripe.com", "connector: stripe", "sk_test_ownStripe5Nm", "sk_test_dummy9Zt"),
    "twilio": Connection("api.twilio.com", f"connector: twilio, fields: {{ account: {ACCOUNT} }}", "1" * 16 + "f" * 16),
    "slack": Connection(
        "slack.com",
        "connector: custom, base_url: https://slack.com, inject: { header: Authorization, value: 'Bearer {secret}' }",
        "xoxb-1-2-ownSlack7Yh",
    ),
    "slack-webhook": Connection(
        "hooks.slack.com",
        "connector: slack-webhook",
        "ownWebhook24Characters3Kp",
        whole_secret=f"https://hooks.slack.com{WEBHOOK}{{secret}}",
    ),
    "notion": Connection("api.notion.com", "connector: notion", "ntn_11111111111ownNotion2Df"),
    "airtable": Connection("api.airtable.com", "connector: airtable", "patOwnOwnOwnOwnOw.ownAirtable6Gj"),
    "github": Connection("api.github.com", "connector: github", "ghp_ownGithub1Bv"),
    "telegram": Connection("api.telegram.org", "connector: telegram", BOT, BOT_DUMMY),
    "telegram-files": Connection(
        "api.telegram.org", "connector: telegram, inject: { path: '/file/bot{secret}' }", BOT, BOT_DUMMY
    ),
}
