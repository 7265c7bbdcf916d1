//! Tells `dure` to look for the engine's native libraries in `lib` beside it, or beside its folder: the crate `llama`
//! puts them there when it is built, and a release ships them there.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Old-style tags, because the libraries look for each other by the program's path.
    println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags,-rpath,$ORIGIN/lib:$ORIGIN/../lib");
}
