use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: one provider, for everything that speaks TLS.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    keystile::cli::main()
}
