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
    /// Ratio of the lower quartiles: what else the machine does only ever adds to a figure.
    pub ratio: f64,
    /// Its standard error, by resampling of the pairs.
    pub error: f64,
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
        let (ratio, error) = (of_quartiles(&pairs), resampled_error(&pairs));
        let (plain, updatable) = pairs.into_iter().unzip();
        Self { name: name.into(), unit, plain, updatable, ratio, error }
    }

    /// Ratios of partners.
    pub fn ratios(&self) -> Spread {
        spread(&self.plain.iter().zip(&self.updatable).map(|(plain, updatable)| updatable / plain).collect::<Vec<_>>())
    }
}

/// The ratio of the lower quartiles.
fn of_quartiles(pairs: &[(f64, f64)]) -> f64 {
    let (plain, updatable): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    lower_quartile(&updatable) / lower_quartile(&plain)
}

/// The lower quartile, interpolated.
pub fn lower_quartile(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = sorted.len().saturating_sub(1) as f64 / 4.0;
    let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
    let (low, part) = (place as usize, place.fract());
    if part == 0.0 { at(low) } else { at(low) * (1.0 - part) + at(low + 1) * part }
}

/// The standard deviation of the ratio over samples drawn from the pairs with replacement (Efron's bootstrap); the same in
/// every run.
fn resampled_error(pairs: &[(f64, f64)]) -> f64 {
    const SAMPLES: usize = 400;
    let mut random = fastrand::Rng::with_seed(1);
    let mut draw = || pairs.iter().map(|_| pairs[random.usize(..pairs.len())]).collect::<Vec<_>>();
    let ratios: Vec<f64> = (0..SAMPLES).map(|_| of_quartiles(&draw())).collect();
    let mean = ratios.iter().sum::<f64>() / SAMPLES as f64;
    (ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (SAMPLES - 1) as f64).sqrt()
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
        let same = Pairs::new("x", "s", pairs);
        assert!((same.ratio - 2.0).abs() < 1e-9 && (same.ratios().median - 2.0).abs() < 1e-9 && same.error < 1e-9);
        assert!((lower_quartile(&[4.0, 1.0, 2.0, 3.0]) - 1.75).abs() < 1e-9);
        let other = Pairs::new("x", "s", vec![(1.0, 1.0), (1.0, 3.0), (1.0, 2.0), (1.0, 1.0)]);
        assert!(other.error > 0.0 && (other.ratio - 1.0).abs() < 1e-9);
    }
}
