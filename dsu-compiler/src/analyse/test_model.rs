//! Programs for the tests of what is analysed.

use std::collections::BTreeSet;

use crate::analyse::model::{FunctionRef, Model, Unit, VariableRef};
use crate::clang::Library;
use crate::facts::extract;
use crate::unit::UnitImage;

/// A program of these units, `a.c`, `b.c` and so on, each behind `head`.
pub fn model(head: &str, texts: &[&str]) -> Result<Model, Box<dyn std::error::Error>> {
    Library::load()?.enter();
    let mut model = Model::default();
    for (unit, text) in texts.iter().enumerate() {
        let name = format!("{}.c", char::from(b'a' + unit as u8));
        let image = UnitImage {
            source: name.clone(),
            directory: "/".into(),
            compiler: "cc".into(),
            flags: Vec::new(),
            text: format!("{head}{text}"),
        };
        let facts = extract::extract(&image)?;
        assert!(facts.errors.is_empty(), "{text}: {:?}", facts.errors);
        for (function, f) in facts.functions.iter().enumerate().filter(|(_, f)| !f.internal) {
            let at = FunctionRef { unit, function };
            if f.definition.as_ref().is_some_and(|d| !d.system) && !f.attributes.ifunc {
                model.functions.insert(f.symbol.clone(), at);
            }
            if f.attributes.alias.is_some() {
                model.aliases.insert(f.symbol.clone(), at);
            }
        }
        let variables = facts.variables.iter().enumerate().filter(|(_, v)| !v.internal && v.definition.is_some());
        model.variables.extend(variables.map(|(variable, v)| (v.symbol.clone(), VariableRef { unit, variable })));
        let object = name.replace(".c", ".o");
        model.units.push(Unit { name, object, image, facts, kept: None, defines: Vec::new() });
    }
    Ok(model)
}

/// The names of these functions.
pub fn names(model: &Model, functions: &BTreeSet<FunctionRef>) -> Vec<String> {
    functions.iter().map(|at| model.function(*at).name.clone()).collect()
}
