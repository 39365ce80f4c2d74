//! The catalogue: one readable file for each provider.

/// File names and texts.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("airtable.yaml", include_str!("../../config/connectors/airtable.yaml")),
    ("anthropic.yaml", include_str!("../../config/connectors/anthropic.yaml")),
    ("custom.yaml", include_str!("../../config/connectors/custom.yaml")),
    ("gemini.yaml", include_str!("../../config/connectors/gemini.yaml")),
    ("github.yaml", include_str!("../../config/connectors/github.yaml")),
    ("hubspot.yaml", include_str!("../../config/connectors/hubspot.yaml")),
    ("mailgun.yaml", include_str!("../../config/connectors/mailgun.yaml")),
    ("notion.yaml", include_str!("../../config/connectors/notion.yaml")),
    ("openai.yaml", include_str!("../../config/connectors/openai.yaml")),
    ("postmark.yaml", include_str!("../../config/connectors/postmark.yaml")),
    ("sendgrid.yaml", include_str!("../../config/connectors/sendgrid.yaml")),
    ("shopify.yaml", include_str!("../../config/connectors/shopify.yaml")),
    ("slack-webhook.yaml", include_str!("../../config/connectors/slack-webhook.yaml")),
    ("stripe.yaml", include_str!("../../config/connectors/stripe.yaml")),
    ("telegram.yaml", include_str!("../../config/connectors/telegram.yaml")),
    ("twilio.yaml", include_str!("../../config/connectors/twilio.yaml")),
];
