//! H6: where senders shake hands by GET, beside the workflows' own routes.

use super::Site;
use crate::config::At;
use crate::model::routes::{Overlap, Routes};
use crate::model::template::Template;
use crate::model::webhook::Handshake;
use crate::model::workflow::{Workflow, WorkflowId};
use http::Method;

/// The template of a workflow's handshake, if it is asked for by GET.
pub fn by_get(workflow: Option<&Workflow>) -> Option<Template> {
    let workflow = workflow?;
    let handshake = workflow.webhook.as_ref()?.handshake.as_ref()?;
    let by_get = matches!(handshake, Handshake::Meta { .. } | Handshake::Dropbox);
    let segments = workflow.template.as_ref().filter(|_| by_get)?.segments.clone();
    Some(Template { method: Method::GET, segments })
}

/// Where senders shake hands by GET. Whoever else answers GET there would be asked in their stead.
pub fn assemble(
    site: &Site<'_>,
    workflows: &[Workflow],
    routes: &Routes,
    greeted: Vec<(Template, WorkflowId, At<'_>)>,
) -> Routes {
    let mut handshakes = Routes::default();
    let name = |id: WorkflowId| workflows.get(id.0 as usize).map_or("another workflow", |w| &*w.name);
    for (template, id, at) in greeted {
        if let Some(other) = routes.find(&Method::GET, &template.sample()).workflow() {
            let reason =
                format!("the handshake of {} is asked for by GET, which {} answers there", name(id), name(other));
            site.error(at, reason, "give one of the two another path");
        }
        if let Err(Overlap(first)) = handshakes.add(&template, id) {
            let reason = format!("{} and {} are asked for their handshakes at the same path", name(first), name(id));
            site.error(at, reason, "give one of the two another path");
        }
    }
    handshakes
}
