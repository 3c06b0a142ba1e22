//! Configurations as files: those found in the wild, odd ones, hostile ones, and the examples.
#[test] fn probe() {
    let f = std::env::var("PROBE").unwrap();
    for f in f.split_whitespace() {
    let (c, r) = knockd::config::parse(f, &std::fs::read(f).unwrap());
    println!("{}", r.render(false)); println!("{c:#?}"); }
}
