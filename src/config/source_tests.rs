use std::{fs, os::unix::fs::symlink};

use super::{
    super::{Mistakes, parse::parse, schema},
    *,
};

/// A directory of its own for each test, removed when the test ends.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = env::temp_dir().join(format!("keystile-source-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn file(path: &str, base: &Path, sources: &SecretSources) -> Result<Found, SourceError> {
    resolve(&Reference::File(Path::new(path)), base, sources)
}

#[test]
fn variables() {
    let found = |reference: Reference<'_>, sources: &SecretSources| {
        resolve_with(&reference, Path::new("."), sources, |name| (name == "KEYS_A").then(|| " s3cret\n".into()))
    };
    let secret = found(Reference::Env("KEYS_A"), &SecretSources::Anywhere).ok().unwrap();
    assert_eq!((secret.secret.as_slice(), secret.trimmed), (&b"s3cret"[..], true));
    let unset = found(Reference::Env("KEYS_B"), &SecretSources::Anywhere).err().unwrap();
    assert_eq!(unset.to_string(), "the environment variable KEYS_B is not set");
    let only = |env: &str| SecretSources::Only { env: vec![env.into()], files: vec![] };
    assert!(found(Reference::Env("KEYS_A"), &only("KEYS_*")).is_ok());
    let refused = found(Reference::Env("KEYS_A"), &only("OTHER_*")).err();
    assert_eq!(refused, Some(SourceError::NotPermitted("env:KEYS_A".into())));
}

#[test]
fn files_are_relative_to_the_configuration() {
    let dir = Dir::new("relative");
    fs::write(dir.0.join("a"), "s3cret\n").unwrap();
    assert_eq!(file("a", &dir.0, &SecretSources::Anywhere).ok().unwrap().secret.as_slice(), b"s3cret");
    let missing = file("b", &dir.0, &SecretSources::Anywhere).err().unwrap();
    assert_eq!(missing.to_string(), "cannot read file:b: entity not found");
}

#[test]
fn files_hold_one_line_of_text() {
    let dir = Dir::new("content");
    let kept = [("empty", "\n ".into()), ("lines", "a\nb".into()), ("large", "x".repeat((64 << 10) + 1))];
    for (name, content) in kept {
        fs::write(dir.0.join(name), &content).unwrap();
    }
    let error = |name: &str| file(name, &dir.0, &SecretSources::Anywhere).err();
    assert_eq!(error("empty"), Some(SourceError::Empty("file:empty".into())));
    assert_eq!(error("lines"), Some(SourceError::Control("file:lines".into())));
    assert_eq!(error("large"), Some(SourceError::TooLarge("file:large".into())));
    assert_eq!(error("."), Some(SourceError::NotAFile("file:.".into())));
}

#[test]
fn listed_directories_hold_even_through_links() {
    let dir = Dir::new("links");
    fs::create_dir_all(dir.0.join("secrets/real")).unwrap();
    fs::write(dir.0.join("secrets/real/a"), "s3cret").unwrap();
    fs::write(dir.0.join("outside"), "s3cret").unwrap();
    symlink(dir.0.join("outside"), dir.0.join("secrets/leads-out")).unwrap();
    symlink("real/a", dir.0.join("secrets/stays-in")).unwrap();
    let only = SecretSources::Only { env: vec![], files: vec!["secrets".into()] };
    assert!(file("secrets/real/a", &dir.0, &only).is_ok() && file("secrets/stays-in", &dir.0, &only).is_ok());
    for escape in ["outside", "secrets/../outside", "secrets/leads-out"] {
        let refused = file(escape, &dir.0, &only).err();
        assert_eq!(refused, Some(SourceError::NotPermitted(format!("file:{escape}"))));
    }
}

#[test]
fn globs() {
    let fits = |pattern: &str, name: &str| glob(pattern.as_bytes(), name.as_bytes());
    assert!(fits("KEYS_*", "KEYS_") && fits("*", "A") && fits("A*B*C", "AxBxBxC") && fits("A", "A"));
    assert!(!fits("KEYS_*", "XKEYS_A") && !fits("A", "AB") && !fits("", "A") && !fits("A*B", "AxBx"));
}

#[test]
fn the_list_is_read_from_the_file() {
    let sources = |text: &str| {
        let tree = parse(text, &mut Mistakes::new("k.yaml")).unwrap();
        SecretSources::read(&View::root(&tree, schema::ROOT))
    };
    let only = |env: &[&str], files: &[&str]| SecretSources::Only {
        env: env.iter().map(ToString::to_string).collect(),
        files: files.iter().map(PathBuf::from).collect(),
    };
    assert_eq!(sources("workers: 1\n"), SecretSources::Anywhere);
    assert_eq!(sources("secret_sources: { env: [KEYS_*] }\n"), only(&["KEYS_*"], &[]));
    assert_eq!(sources("secret_sources: { files: [a] }\n"), only(&[], &["a"]));
    assert_eq!(sources("secret_sources:\n"), only(&[], &[]));
}
