//! Whether what is drawn is drawn without a lean.

/// Pearson's chi-square of `hits` against equally likely cells.
fn chi_square(hits: &[u32]) -> f64 {
    let expected = f64::from(hits.iter().sum::<u32>()) / cells(hits);
    hits.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum()
}

fn cells(hits: &[u32]) -> f64 {
    f64::from(u32::try_from(hits.len()).unwrap())
}

/// What chi-square exceeds once in 25,000,000,000 times for fair draws (Wilson and Hilferty 1931, z = 6.5).
fn critical(hits: &[u32]) -> f64 {
    let freedom = cells(hits) - 1.0;
    let part = 2.0 / (9.0 * freedom);
    freedom * (1.0 - part + 6.5 * part.sqrt()).powi(3)
}

/// Fails if `hits` are hardly those of equally likely cells.
pub(crate) fn assert_uniform(hits: &[u32], what: &str) {
    assert!(chi_square(hits) < critical(hits), "{what}: {} > {}", chi_square(hits), critical(hits));
}

#[test]
fn the_uniformity_test_sees_a_lean_of_a_tenth() {
    let mut hits = vec![1000; 100];
    assert_uniform(&hits, "fair");
    hits[..50].fill(1100);
    assert!(chi_square(&hits) > critical(&hits));
}
