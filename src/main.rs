fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let path = std::env::args().nth(1).unwrap_or_default();
    keystile::app::runtime::serve(std::path::Path::new(&path))
}
