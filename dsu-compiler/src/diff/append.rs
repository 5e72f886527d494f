//! Transformers at the end of units of the new program: those units are read again.

use std::collections::BTreeMap;

use crate::analyse::model::Model;
use crate::clang::Library;
use crate::diff::DiffError;
use crate::driver::scheduler;
use crate::facts::UnitFacts;
use crate::facts::extract::{extract_extended, reshape};
use crate::layout::Shapes;
use crate::unit::UnitImage;

/// Deeply nested expressions recurse deeply, here and in libclang.
const STACK: usize = 256 << 20;

/// Adds text to the end of units, and reads them again. What was known of them stays, and its indices.
///
/// # Errors
/// When the text is not C, or uses what the unit does not have.
pub fn append(model: &mut Model, texts: &BTreeMap<usize, String>, shapes: &Shapes) -> Result<(), DiffError> {
    if texts.is_empty() {
        return Ok(());
    }
    let library = Library::load()?;
    let list: Vec<usize> = texts.keys().copied().collect();
    let images: BTreeMap<usize, UnitImage> = texts
        .iter()
        .map(|(unit, text)| {
            let image = &model.units[*unit].image;
            (*unit, UnitImage { text: format!("{}{text}", image.text), ..image.clone() })
        })
        .collect();
    let results = scheduler::parallel_deep(scheduler::jobs(), STACK, &list, |_, unit| {
        library.enter();
        let u = &model.units[*unit];
        let image = images.get(unit).unwrap_or(&u.image);
        let facts = extract_extended(image, &u.facts).map_err(|e| DiffError::Impose(u.name.clone(), e.into()))?;
        if let Some(message) = facts.errors.first().filter(|_| u.facts.errors.is_empty()) {
            let file = texts.get(unit).and_then(|text| file_of(text)).unwrap_or("transformers");
            return Err(DiffError::Build(format!("{file}, read at the end of unit {}: {message}", u.name)));
        }
        reshape(image, &facts, shapes).map_err(|e| DiffError::Impose(u.name.clone(), e))
    });
    replace(model, &list, results)?;
    for (unit, image) in images {
        model.units[unit].image = image;
    }
    Ok(())
}

fn replace(model: &mut Model, list: &[usize], results: Vec<Result<UnitFacts, DiffError>>) -> Result<(), DiffError> {
    let facts = results.into_iter().collect::<Result<Vec<_>, _>>()?;
    for (unit, facts) in list.iter().zip(facts) {
        model.units[*unit].facts = facts;
    }
    Ok(())
}

/// The file that the text came from, as its line markers say.
fn file_of(text: &str) -> Option<&str> {
    let mut names = text.lines().filter_map(|line| line.strip_prefix("# ")?.split('"').nth(1));
    names.rfind(|name| !name.starts_with('<'))
}
