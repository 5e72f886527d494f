//! Paired measurements: plain and updatable, interleaved in one run.

use serde::Serialize;

/// What was measured of one load, in pairs.
#[derive(Serialize)]
pub struct Pairs {
    /// The load.
    pub name: String,
    /// The unit of the figures.
    pub unit: &'static str,
    /// Figures of the plain build.
    pub plain: Vec<f64>,
    /// Figures of the updatable build, each from the same moment as its partner.
    pub updatable: Vec<f64>,
    /// Median of the ratios of partners.
    pub ratio: f64,
}

/// Least, middle and greatest of some figures.
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The middle one.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

impl Pairs {
    /// From figures in pairs.
    pub fn new(name: impl Into<String>, unit: &'static str, pairs: Vec<(f64, f64)>) -> Self {
        let ratio = spread(&pairs.iter().map(|(plain, updatable)| updatable / plain).collect::<Vec<_>>()).median;
        let (plain, updatable) = pairs.into_iter().unzip();
        Self { name: name.into(), unit, plain, updatable, ratio }
    }

    /// Ratios of partners.
    pub fn ratios(&self) -> Spread {
        spread(&self.plain.iter().zip(&self.updatable).map(|(plain, updatable)| updatable / plain).collect::<Vec<_>>())
    }
}

/// Least, middle, greatest.
pub fn spread(figures: &[f64]) -> Spread {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
    let median = if n % 2 == 1 { at(n / 2) } else { (at(n / 2) + at((n / 2).wrapping_sub(1))) / 2.0 };
    Spread { min: at(0), median, max: at(n.wrapping_sub(1)) }
}

/// Geometric mean.
pub fn geomean(figures: &[f64]) -> f64 {
    (figures.iter().map(|x| x.ln()).sum::<f64>() / figures.len() as f64).exp()
}

/// Runs `measure` for both builds in pairs; which goes first alternates.
pub fn interleave<E>(pairs: usize, mut measure: impl FnMut(bool) -> Result<f64, E>) -> Result<Vec<(f64, f64)>, E> {
    (0..pairs)
        .map(|i| {
            if i % 2 == 0 {
                let plain = measure(false)?;
                Ok((plain, measure(true)?))
            } else {
                let updatable = measure(true)?;
                Ok((measure(false)?, updatable))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        let s = spread(&[3.0, 1.0, 2.0]);
        assert_eq!((s.min, s.median, s.max), (1.0, 2.0, 3.0));
        assert!((spread(&[1.0, 2.0]).median - 1.5).abs() < 1e-9);
        assert!((geomean(&[2.0, 8.0]) - 4.0).abs() < 1e-9);
        let pairs: Vec<(f64, f64)> = interleave::<()>(2, |updatable| Ok(if updatable { 2.0 } else { 1.0 })).unwrap();
        assert_eq!(pairs, [(1.0, 2.0), (1.0, 2.0)]);
        assert!((Pairs::new("x", "s", pairs).ratio - 2.0).abs() < 1e-9);
    }
}
