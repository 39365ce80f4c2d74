//! The configuration in effect: every field with its value and where the value comes from.
//!
//! Secrets appear as the place they are read from, never as themselves.

use serde::Serialize;

use super::{
    shape::{Field, MapShape, Rule, Shape},
    trail::Trail,
    tree::{Node, Value},
};

/// One field of the configuration in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// `listeners.inbound[0].max_body`
    pub path: String,
    /// As it would be written; `None` when there is neither a value nor a default.
    pub value: Option<String>,
    /// `keystile.yaml:12:7`, `default` or `not set`.
    pub from: String,
}

/// All settings of a file, in the order of the schema. Within resources only what is written or has a default is told:
/// ten thousand keys would otherwise bury it under what they all do not have.
pub fn effective(root: &Node, shape: &Shape, file: &str) -> Vec<Setting> {
    let mut show = Show { file, settings: Vec::new() };
    show.node(root, shape, Trail::TOP, false);
    show.settings
}

/// As lines in columns, for people.
pub fn table(settings: &[Setting]) -> String {
    /// One long value must not push every line off the screen.
    const WIDEST: usize = 60;
    let value = |setting: &Setting| setting.value.clone().unwrap_or_else(|| "-".to_owned());
    let width = |text: &dyn Fn(&Setting) -> usize| settings.iter().map(text).max().unwrap_or(0).min(WIDEST);
    let paths = width(&|setting| setting.path.chars().count());
    let values = width(&|setting| value(setting).chars().count());
    let line = |setting: &Setting| {
        let (path, value, from) = (&setting.path, value(setting), &setting.from);
        format!("{path:paths$}  {value:values$}  {from}\n")
    };
    settings.iter().map(line).collect()
}

struct Show<'f> {
    file: &'f str,
    settings: Vec<Setting>,
}

impl Show<'_> {
    fn node(&mut self, node: &Node, shape: &Shape, trail: Trail<'_>, resource: bool) {
        match (shape, &node.value) {
            (Shape::Map(map), _) => self.map(Some(node), map, trail, resource),
            (Shape::OneOrMany(item), Value::Map(_)) => self.node(node, item, trail, resource),
            (_, Value::List(items)) if holds_maps(shape) => self.items(items, shape, trail),
            (Shape::Free { value, .. }, Value::Map(entries)) => {
                for entry in entries {
                    self.node(&entry.node, value, trail.field(&entry.key), resource);
                }
            }
            _ => self.push(trail, Some(plain(node, shape)), self.place(node)),
        }
    }

    fn items(&mut self, items: &[Node], shape: &Shape, trail: Trail<'_>) {
        let Some(item) = shape.item() else {
            return;
        };
        for (index, node) in items.iter().enumerate() {
            self.node(node, item, trail.then(node.step(index)), true);
        }
        if items.is_empty() {
            self.push(trail, Some("[]".to_owned()), "not set".to_owned());
        }
    }

    fn map(&mut self, node: Option<&Node>, map: &MapShape, trail: Trail<'_>, resource: bool) {
        for field in map.fields.iter().filter(|field| field.later.is_none()) {
            let trail = trail.field(field.name);
            match node.and_then(|node| node.field(field.name)) {
                Some(node) => self.node(node, &field.shape, trail, resource),
                None if idle(field, map, node) => {}
                None => self.absent(field, trail, resource),
            }
        }
    }

    fn absent(&mut self, field: &Field, trail: Trail<'_>, resource: bool) {
        match (&field.shape, field.default) {
            (_, Some(default)) => self.push(trail, Some(default.to_owned()), "default".to_owned()),
            // A map that requires something is switched on by writing it; its defaults count only then.
            (Shape::Map(map), None) if !map.fields.iter().any(|field| field.required) => {
                self.map(None, map, trail, resource);
            }
            _ if !resource => self.push(trail, None, "not set".to_owned()),
            _ => {}
        }
    }

    fn push(&mut self, trail: Trail<'_>, value: Option<String>, from: String) {
        self.settings.push(Setting { path: trail.to_string(), value, from });
    }

    fn place(&self, node: &Node) -> String {
        format!("{}:{}:{}", self.file, node.line, node.column)
    }
}

/// Whether a field's default has nothing to act on, since what it belongs to is not written.
fn idle(field: &Field, map: &MapShape, node: Option<&Node>) -> bool {
    let written = |name: &&str| node.is_some_and(|node| node.entry(name).is_some());
    map.rules.iter().any(|rule| match rule {
        Rule::Needs(name, others) => *name == field.name && !others.iter().any(written),
        Rule::ExactlyOne(_) | Rule::Together(_) | Rule::AnyOf(_) => false,
    })
}

fn holds_maps(shape: &Shape) -> bool {
    matches!(shape.item(), Some(Shape::Map(_)))
}

/// One value, or a list of values in one line.
fn plain(node: &Node, shape: &Shape) -> String {
    match (shape, &node.value) {
        (Shape::Scalar(kind), Value::Scalar { text, .. }) => kind.show(text),
        (Shape::OrFalse(_), Value::Scalar { text, .. }) if &**text == "false" => "false".to_owned(),
        (Shape::OrFalse(kind), Value::Scalar { text, .. }) => kind.show(text),
        (Shape::AllOr(_), Value::Scalar { text, .. }) if &**text == "all" => "all".to_owned(),
        (Shape::OneOrMany(item), Value::Scalar { .. }) => plain(node, item),
        (_, Value::List(items)) => {
            let item = |node: &Node| shape.item().map(|shape| plain(node, shape));
            let items: Vec<String> = items.iter().filter_map(item).collect();
            format!("[{}]", items.join(", "))
        }
        _ => "<not valid>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{mistake::Mistakes, parse, schema},
        *,
    };

    fn show(text: &str) -> Vec<Setting> {
        let mut mistakes = Mistakes::new("k.yaml");
        let root = parse::parse(text, &mut mistakes).unwrap();
        effective(&root, &schema::ROOT, "k.yaml")
    }

    fn line(settings: &[Setting], path: &str) -> Option<(Option<String>, String)> {
        let found = settings.iter().find(|setting| setting.path == path)?;
        Some((found.value.clone(), found.from.clone()))
    }

    #[test]
    fn tells_values_defaults_and_what_is_not_set() {
        let settings = show("listeners:\n  inbound:\n    - address: 127.0.0.1:1\n      max_body: 1MiB\n");
        let value = |path: &str| line(&settings, path);
        let written = |text: &str, from: &str| Some((Some(text.to_owned()), from.to_owned()));
        assert_eq!(value("listeners.inbound[0].max_body"), written("1MiB", "k.yaml:4:17"));
        assert_eq!(value("listeners.inbound[0].timeouts.head"), written("10s", "default"));
        assert_eq!(value("listeners.admin.address"), written("127.0.0.1:8082", "default"));
        assert_eq!(value("workers"), Some((None, "not set".to_owned())));
        assert_eq!(value("listeners.inbound[0].rate_limit"), None);
    }

    #[test]
    fn secrets_are_places() {
        let digest = format!("blake3:{}", "0a".repeat(32));
        let text = format!(
            "connections:\n- {{ name: a, secret: sk_live_verysecret }}\n- {{ name: b, secret: 'env:B' }}\n\
             keys:\n- {{ name: k, primary: {digest}, secondary: averylongtokeninthefile }}\n"
        );
        let settings = show(&text);
        let value = |path: &str| line(&settings, path).and_then(|(value, _)| value);
        assert_eq!(value("connections[a].secret").as_deref(), Some("<literal secret>"));
        assert_eq!(value("connections[b].secret").as_deref(), Some("env:B"));
        assert_eq!(value("keys[k].primary"), Some(digest));
        assert_eq!(value("keys[k].secondary").as_deref(), Some("<literal secret>"));
        let everything = table(&settings) + &serde_json::to_string(&settings).unwrap();
        assert!(!everything.contains("verysecret") && !everything.contains("averylong"));
    }

    #[test]
    fn defaults_that_have_nothing_to_act_on_are_left_out() {
        let path = "connections[c].inject.value";
        let with = |inject: &str| show(&format!("connections: [{{ name: c, inject: {inject} }}]\n"));
        assert!(line(&with("{ header: X-A }"), path).is_some());
        assert!(line(&with("{ path: '/bot{secret}' }"), path).is_none());
    }

    #[test]
    fn yaml_and_json_are_lists_of_settings() {
        let settings = show("workers: 4\n");
        assert!(serde_yaml::to_string(&settings).unwrap().contains("path: workers\n"));
        assert!(table(&settings).contains("k.yaml:1:10\n"));
    }
}
