//! The bill of materials, in CycloneDX 1.6 JSON, made from what cargo resolved and locked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::house;

/// The packages that the program `name` is built from, itself included; what only tests need is left out.
pub fn parts<'a>(metadata: &'a Metadata, name: &str) -> Result<Vec<&'a Package>> {
    let root = metadata
        .workspace_packages()
        .into_iter()
        .find(|package| package.name.as_str() == name)
        .with_context(|| format!("no package `{name}`"))?;
    let edges = edges(metadata)?;
    let mut found = BTreeSet::from([&root.id]);
    let mut left = vec![&root.id];
    while let Some(id) = left.pop() {
        for next in edges.get(id).into_iter().flatten() {
            if found.insert(next) {
                left.push(next);
            }
        }
    }
    let mut packages: Vec<_> = found.into_iter().map(|id| &metadata[id]).collect();
    packages.sort_by(|a, b| (a.name.as_str(), &a.version).cmp(&(b.name.as_str(), &b.version)));
    Ok(packages)
}

fn edges(metadata: &Metadata) -> Result<BTreeMap<&PackageId, Vec<&PackageId>>> {
    let resolve = metadata.resolve.as_ref().context("cargo resolved nothing")?;
    let used = |dependency: &&cargo_metadata::NodeDep| {
        dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
    };
    Ok(resolve
        .nodes
        .iter()
        .map(|node| (&node.id, node.deps.iter().filter(used).map(|dependency| &dependency.pkg).collect()))
        .collect())
}

/// A model that goes with the program.
#[derive(Debug)]
pub struct ModelPart {
    pub name: String,
    pub licence: String,
    pub sha256: String,
}

/// The bill of materials of `parts`, the first of which in the graph is the program `name`.
pub fn sbom(metadata: &Metadata, name: &str, parts: &[&Package], models: &[ModelPart]) -> Result<String> {
    let sums = locked_sums()?;
    let root = parts.iter().find(|part| part.name.as_str() == name).with_context(|| format!("no package `{name}`"))?;
    let mut components: Vec<Value> =
        parts.iter().filter(|part| part.id != root.id).map(|part| component(part, &sums)).collect();
    components.extend(models.iter().map(|model| {
        json!({
            "type": "machine-learning-model",
            "bom-ref": format!("model:{}", model.name),
            "name": model.name,
            "hashes": [{ "alg": "SHA-256", "content": model.sha256 }],
            "licenses": [{ "license": { "name": model.licence } }],
        })
    }));
    let edges = edges(metadata)?;
    let dependencies: Vec<Value> = parts
        .iter()
        .map(|part| {
            let mut on: Vec<String> =
                edges.get(&part.id).into_iter().flatten().map(|id| purl(&metadata[*id])).collect();
            if part.id == root.id {
                on.extend(models.iter().map(|model| format!("model:{}", model.name)));
            }
            on.sort();
            on.dedup();
            json!({ "ref": purl(part), "dependsOn": on })
        })
        .collect();
    let mut bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": component(root, &sums) },
        "components": components,
        "dependencies": dependencies,
    });
    bill["metadata"]["component"]["type"] = json!("application");
    bill["serialNumber"] = json!(serial(&bill.to_string()));
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

fn component(package: &Package, sums: &BTreeMap<(String, String), String>) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(package),
        "name": package.name.as_str(),
        "version": package.version.to_string(),
        "purl": purl(package),
    });
    if let Some(licence) = &package.license {
        // Old manifests write `MIT/Apache-2.0` where SPDX writes `OR`.
        component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    if let Some(sum) = sums.get(&(package.name.to_string(), package.version.to_string())) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    if let Some(place) = &package.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": place }]);
    }
    component
}

fn purl(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

/// The sums of the registry's archives, as `Cargo.lock` has them.
fn locked_sums() -> Result<BTreeMap<(String, String), String>> {
    let lock: toml::Table = fs::read_to_string(house::root().join("Cargo.lock"))?.parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array).context("Cargo.lock has no packages")?;
    let field = |package: &toml::Value, name: &str| package.get(name)?.as_str().map(str::to_owned);
    Ok(packages
        .iter()
        .filter_map(|package| {
            Some(((field(package, "name")?, field(package, "version")?), field(package, "checksum")?))
        })
        .collect())
}

/// A name for exactly this bill: a UUID (RFC 9562, version 8) of its content's hash.
fn serial(bill: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(bill.as_bytes())[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex::encode(bytes);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    format!("urn:uuid:{}", parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_names_what_is_built_in_and_not_what_tests_need() {
        let metadata = house::metadata().unwrap();
        let parts = parts(&metadata, "dure").unwrap();
        let model = ModelPart { name: "m".to_owned(), licence: "MIT".to_owned(), sha256: "00".repeat(32) };
        let bill: Value = serde_json::from_str(&sbom(&metadata, "dure", &parts, &[model]).unwrap()).unwrap();
        let components = bill["components"].as_array().unwrap();
        let names: Vec<&str> = components.iter().filter_map(|component| component["name"].as_str()).collect();
        assert!(names.contains(&"llama-cpp-sys-2") && names.contains(&"sqlx-sqlite") && names.contains(&"m"));
        assert!(!names.contains(&"proptest") && !names.contains(&"dure"));
        let sqlx = components.iter().find(|component| component["name"] == "sqlx-sqlite").unwrap();
        assert_eq!(sqlx["hashes"][0]["content"].as_str().map(str::len), Some(64));
    }

    #[test]
    fn every_dependency_in_the_bill_is_a_part_of_it() {
        let metadata = house::metadata().unwrap();
        let parts = parts(&metadata, "dure").unwrap();
        let bill: Value = serde_json::from_str(&sbom(&metadata, "dure", &parts, &[]).unwrap()).unwrap();
        let mut known: BTreeSet<&str> =
            bill["components"].as_array().unwrap().iter().filter_map(|one| one["bom-ref"].as_str()).collect();
        known.extend(bill["metadata"]["component"]["bom-ref"].as_str());
        for dependency in bill["dependencies"].as_array().unwrap() {
            for on in dependency["dependsOn"].as_array().unwrap() {
                assert!(known.contains(on.as_str().unwrap()), "{on}");
            }
        }
    }
}
