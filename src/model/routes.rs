//! Templates as a tree: which workflow a method and a path mean.
//!
//! The most specific template wins: a literal before `{one}` before `{rest...}`, from left to right (W4). A path that
//! placeholders would take, but that some upstreams read as another workflow's literals (`Admin`, `admin.`, `admin;x`,
//! `admin/` for `admin`, at any depth), is ambiguous and refused: it might be permitted as one workflow and acted upon
//! as another (hazard 6).

use super::template::{Segment, Template};
use super::workflow::WorkflowId;
use http::Method;
use std::borrow::Cow;

/// The tree.
#[derive(Debug, Default)]
pub struct Routes {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    /// Sorted.
    literals: Vec<Literal>,
    one: Option<Box<Node>>,
    rest: Vec<(Method, WorkflowId)>,
    here: Vec<(Method, WorkflowId)>,
}

#[derive(Debug)]
struct Literal {
    /// The first bytes of its text: most others are told from it without a look at the rest, which lies elsewhere.
    begins: u64,
    text: Box<[u8]>,
    node: Node,
}

/// What the tree says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Workflow(WorkflowId),
    /// Other methods have a workflow here; these, sorted, HEAD included where GET is.
    OtherMethods(Vec<Method>),
    Nothing,
    /// Another workflow's path, as careless upstreams read it.
    LookAlike,
}

impl Found {
    /// The workflow, if it is one.
    pub fn workflow(&self) -> Option<WorkflowId> {
        match self {
            Found::Workflow(id) => Some(*id),
            Found::OtherMethods(_) | Found::Nothing | Found::LookAlike => None,
        }
    }
}

/// Two templates of the same method and shape: the workflow that was there first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap(pub WorkflowId);

impl Routes {
    /// Adds a template. `Err` names the workflow that already has the same method and shape.
    pub fn add(&mut self, template: &Template, workflow: WorkflowId) -> Result<(), Overlap> {
        let mut node = &mut self.root;
        let mut leaf = Leaf::Here;
        for segment in &template.segments {
            node = match segment {
                Segment::Literal(text) => node.literal_mut(text.as_bytes()),
                Segment::One(_) => node.one.get_or_insert_default(),
                Segment::Rest(_) => {
                    leaf = Leaf::Rest;
                    node
                }
            };
        }
        let list = match leaf {
            Leaf::Here => &mut node.here,
            Leaf::Rest => &mut node.rest,
        };
        if let Some((_, first)) = list.iter().find(|(m, _)| *m == template.method) {
            return Err(Overlap(*first));
        }
        list.push((template.method.clone(), workflow));
        Ok(())
    }

    /// Looks `path` up: decoded segments, as [`crate::policy::path`] yields them. HEAD is served by GET's workflow where
    /// the same template declares none of its own (W1).
    pub fn find<S: AsRef<[u8]>>(&self, method: &Method, path: &[S]) -> Found {
        let mut search = Search { method, others: Vec::new(), passed_others: false, folded: false };
        match search.visit(&self.root, path) {
            Some(workflow) if search.passed_others && self.read_carelessly(method, path) != Some(workflow) => {
                Found::LookAlike
            }
            Some(workflow) => Found::Workflow(workflow),
            None if search.others.is_empty() => Found::Nothing,
            None => Found::OtherMethods(search.allowed()),
        }
    }

    /// What an upstream would make of `path` that ignores case, parameters behind `;`, trailing dots and a trailing slash.
    fn read_carelessly<S: AsRef<[u8]>>(&self, method: &Method, path: &[S]) -> Option<WorkflowId> {
        let mut search = Search { method, others: Vec::new(), passed_others: false, folded: true };
        let without_slash = match path {
            [some @ .., last] if last.as_ref().is_empty() && !some.is_empty() => search.visit(&self.root, some),
            _ => None,
        };
        without_slash.or_else(|| search.visit(&self.root, path))
    }
}

enum Leaf {
    Here,
    Rest,
}

impl Node {
    fn literal_mut(&mut self, text: &[u8]) -> &mut Node {
        let at = match self.place(text) {
            Ok(at) => at,
            Err(at) => {
                let literal = Literal { begins: beginning(text), text: text.into(), node: Node::default() };
                self.literals.insert(at, literal);
                at
            }
        };
        &mut self.literals[at].node
    }

    fn literal(&self, text: &[u8]) -> Option<&Node> {
        Some(&self.literals[self.place(text).ok()?].node)
    }

    fn place(&self, text: &[u8]) -> Result<usize, usize> {
        let begins = beginning(text);
        self.literals.binary_search_by(|literal| (literal.begins, &*literal.text).cmp(&(begins, text)))
    }

    /// Literals that are not `segment`, but that a careless upstream takes it for.
    fn look_alikes<'n>(&'n self, segment: &'n [u8]) -> impl Iterator<Item = &'n Node> {
        // As upstreams read it that decode once more than we do.
        let twice: Cow<'n, [u8]> = percent_encoding::percent_decode(segment).into();
        let alike = move |l: &[u8]| *l != *segment && fold(l).eq_ignore_ascii_case(fold(&twice));
        self.literals.iter().filter(move |literal| alike(&literal.text)).map(|literal| &literal.node)
    }
}

/// The first eight bytes, or as many as there are.
fn beginning(text: &[u8]) -> u64 {
    match text.first_chunk() {
        Some(eight) => u64::from_be_bytes(*eight),
        None => text.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// What careless upstreams take a segment for: parameters after `;` cut, trailing dots, blanks and control bytes gone (as
/// `trim` does it in many languages). Case is for the caller to ignore.
fn fold(segment: &[u8]) -> &[u8] {
    let end = segment.iter().position(|b| *b == b';').unwrap_or(segment.len());
    let mut segment = &segment[..end];
    while let [head @ .., b'.' | ..=b' '] = segment {
        segment = head;
    }
    segment
}

struct Search<'a> {
    method: &'a Method,
    others: Vec<Method>,
    /// A placeholder was followed where something else stands beside it: somebody might read the path as that.
    passed_others: bool,
    /// Literals are compared as careless upstreams do.
    folded: bool,
}

impl Search<'_> {
    /// Depth-first, most specific first. Every node of the tree is visited once at most.
    fn visit<S: AsRef<[u8]>>(&mut self, node: &Node, path: &[S]) -> Option<WorkflowId> {
        let Some((segment, deeper)) = path.split_first() else { return self.leaf(&node.here) };
        let segment = segment.as_ref();
        if let Some(next) = node.literal(segment)
            && let Some(found) = self.visit(next, deeper)
        {
            return Some(found);
        }
        if self.folded {
            for next in node.look_alikes(segment) {
                if let Some(found) = self.visit(next, deeper) {
                    return Some(found);
                }
            }
        }
        self.passed_others |= match (&node.one, node.rest.is_empty()) {
            (None, true) => false,
            (Some(_), false) => true,
            _ => !node.literals.is_empty(),
        };
        if let Some(next) = &node.one
            && !segment.is_empty()
            && let Some(found) = self.visit(next, deeper)
        {
            return Some(found);
        }
        self.leaf(&node.rest)
    }

    fn leaf(&mut self, list: &[(Method, WorkflowId)]) -> Option<WorkflowId> {
        let of = |method: &Method| list.iter().find(|(m, _)| m == method).map(|(_, w)| *w);
        let found = of(self.method).or_else(|| if self.method == Method::HEAD { of(&Method::GET) } else { None });
        if found.is_none() {
            self.others.extend(list.iter().map(|(m, _)| m.clone()));
        }
        found
    }

    fn allowed(self) -> Vec<Method> {
        let mut methods = self.others;
        if methods.contains(&Method::GET) {
            methods.push(Method::HEAD);
        }
        methods.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        methods.dedup();
        methods
    }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
