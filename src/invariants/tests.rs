//! The invariants over random bytes that look like something, and over the corpora of `tests/fuzz`.

use super::targets::ALL;
use proptest::prelude::*;
use std::path::Path;
use std::sync::OnceLock;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn hold_for_whatever_looks_like_something(
        which in 0..ALL.len(),
        steering in any::<[u8; 4]>(),
        parts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..12), 0..14),
    ) {
        let (_, holds, steered, words) = ALL[which];
        let mut bytes = steering[..steered].to_vec();
        for (word, byte, rare) in parts {
            bytes.extend_from_slice(word.get(words).as_bytes());
            if rare == 0 {
                bytes.push(byte);
            }
        }
        holds(&bytes);
    }

    #[test]
    fn hold_for_what_is_like_the_corpora(
        which in 0..ALL.len(),
        input in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6),
    ) {
        let mut bytes = input.get(&corpora()[which]).clone();
        for (at, byte, how) in edits {
            let at = at.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, byte),
                1 => bytes.insert(at, *b"\r\n \t:;,%&=0/".get(usize::from(byte) % 12).unwrap()),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => if let Some(there) = bytes.get_mut(at) { *there = byte },
            }
        }
        ALL[which].1(&bytes);
    }

    #[test]
    fn hold_for_any_bytes(which in 0..ALL.len(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        ALL[which].1(&bytes);
    }
}

/// What fuzzing has found worth keeping, by target.
fn corpora() -> &'static [Vec<Vec<u8>>] {
    static CORPORA: OnceLock<Vec<Vec<Vec<u8>>>> = OnceLock::new();
    CORPORA.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        let read = |name: &str| {
            let files = std::fs::read_dir(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
            let mut all: Vec<_> = files.map(|f| std::fs::read(f.unwrap().path()).unwrap()).collect();
            all.sort();
            all
        };
        ALL.iter().map(|(name, ..)| read(name)).collect()
    })
}

#[test]
fn hold_for_the_corpora() {
    for ((name, holds, ..), inputs) in ALL.iter().zip(corpora()) {
        assert!(!inputs.is_empty(), "{name} has no corpus");
        inputs.iter().for_each(|input| holds(input));
    }
}

#[test]
fn every_invariant_is_fuzzed() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/targets");
    let mut found: Vec<String> = std::fs::read_dir(targets)
        .unwrap()
        .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut wanted: Vec<&str> = ALL.iter().map(|(name, ..)| *name).collect();
    found.sort();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
}
