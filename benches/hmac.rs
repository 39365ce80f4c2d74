//! HMAC-SHA256 by aws-lc alone, over bodies of a size: what verifying a signature costs at the least.
//!
//! `cargo bench --bench hmac -- SIZE COUNT`: the CPU time of one, in nanoseconds.

use aws_lc_rs::hmac;
use std::hint::black_box;

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let [size, count] = numbers[..] else {
        for size in [1 << 10, 64 << 10, 1 << 20] {
            println!("{size:>8} bytes {:>10.0} ns", nanoseconds(size, (1 << 28) / (size + 512)));
        }
        return;
    };
    println!("{:.1}", nanoseconds(size, count));
}

fn nanoseconds(size: usize, count: usize) -> f64 {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"whsec_a-secret-as-long-as-they-usually-are");
    let body = vec![b'x'; size];
    let before = cpu();
    for _ in 0..count {
        let mut context = hmac::Context::with_key(&key);
        context.update(black_box(&body));
        black_box(context.sign());
    }
    (cpu() - before) * 1e9 / count.max(1) as f64
}

/// Seconds on a core so far, by the scheduler's count: valgrind knows it as well.
fn cpu() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    told.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or_default() / 1e9
}
