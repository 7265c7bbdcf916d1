//! Packs from folders: one that works, and those that must be refused with a reason.

#![allow(clippy::unwrap_used)]

use std::fs;

use guard::mask::{Kinds, Masker, Packs};

const GOOD: &str = r#####"
name = "jp"
title = "日本"
[words]
city = ["city.txt"]
[[kind]]
name = "postal"
label = "郵便番号"
[[kind.rule]]
shape = "text"
digits_min = 7
triggers = ["〒"]
patterns = ['〒 ?(?P<v>[0-9]{3}-[0-9]{4})']
[[kind.rule]]
shape = "text"
triggers = ["{city}"]
patterns = ['{city}[0-9]+']
[[kind]]
name = "number"
label = "個人番号"
[[kind.rule]]
shape = "digits"
context = ["マイナンバー"]
confidence = { grouped = 0.3, near = 0.5 }
patterns = ["####-####-####"]
"#####;

fn load(pack: &str, city: Option<&str>) -> Result<Packs, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pack.toml"), pack).unwrap();
    if let Some(city) = city {
        fs::write(folder.path().join("city.txt"), city).unwrap();
    }
    Packs::load(folder.path()).map_err(|error| error.to_string())
}

#[test]
fn a_pack_of_another_country_is_a_folder() {
    let packs = Packs::builtin().unwrap().with(load(GOOD, Some("# cities\n東京 大阪")).unwrap());
    assert_eq!(packs.names().collect::<Vec<_>>(), ["kr", "general", "jp"]);
    let masker = Masker::new(&packs, &Kinds::named(["jp"])).unwrap();
    let kinds = |text: &str| masker.find(text).into_iter().map(|finding| finding.kind).collect::<Vec<_>>();
    assert_eq!(kinds("〒100-0001 大阪12"), ["postal", "postal"]);
    assert_eq!(kinds("マイナンバー １２３４－５６７８－９０１２"), ["number"]);
    assert!(kinds("100-0001 1234-5678-9012 010-1234-5678").is_empty());
}

#[test]
fn a_pack_of_the_same_name_takes_the_place_of_the_one_inside() {
    let packs = Packs::builtin().unwrap().with(load(&GOOD.replace("\"jp\"", "\"kr\""), Some("東京")).unwrap());
    assert_eq!(packs.names().collect::<Vec<_>>(), ["general", "kr"]);
    assert!(packs.kinds().all(|(kind, ..)| kind != "rrn"));
}

#[test]
fn broken_packs_are_refused_with_the_reason() {
    let cases: [(&str, &str, &str); 16] = [
        ("name = \"jp\"", "name = \"../x\"", "no name for a pack"),
        ("\"postal\"", "\"Post al\"", "no name for a kind"),
        ("郵便番号", "郵-1", "a label has 2 to 12 letters"),
        ("郵便番号", "[a]", "a label has 2 to 12 letters"),
        ("city.txt", "/etc/passwd", "is no word list"),
        ("city.txt", "../city.txt", "is no word list"),
        ("city.txt", "gone.txt", "`gone.txt` cannot be read"),
        ("shape = \"digits\"", "shape = \"digits\"\ncheck = \"eval\"", "no check is called `eval`"),
        ("\"####-####-####\"", "\"####-####-###x\"", "no template"),
        ("\"####-####-####\"", "\"##\"", "6 to 24 digits"),
        ("\"####-####-####\"", "\"[9-1]#######\"", "class that is not digits"),
        ("near = 0.5", "near = 7.0", "from 0 to 1"),
        ("'{city}[0-9]+'", "'('", "is no expression"),
        ("'{city}[0-9]+'", "'(?:[가-힣]{1000}){1000}'", "is no expression"),
        ("shape = \"digits\"", "shape = \"program\"", "unknown variant"),
        ("digits_min = 7", "digits_min = 7\nrun = \"rm\"", "unknown field"),
    ];
    for (from, to, reason) in cases {
        assert!(GOOD.contains(from), "{from}");
        let loaded = load(&GOOD.replace(from, to), Some("東京"));
        let error =
            loaded.and_then(|packs| Masker::new(&packs, &Kinds::all()).map(|_| ()).map_err(|error| error.to_string()));
        let error = error.expect_err(to);
        assert!(error.contains(reason), "{to}: {error}");
    }
}

#[test]
fn what_is_no_pack_at_all_is_refused() {
    assert!(Packs::load(std::path::Path::new("/nowhere")).is_err());
    assert!(load("", None).is_err());
    assert!(load("\u{0}", None).is_err());
    assert!(load(&"a".repeat(2 << 20), None).unwrap_err().contains("larger than 1 MiB"));
    assert!(load(&GOOD.replace("window", ""), None).is_err(), "the word list is missing");
}

#[test]
fn a_house_has_the_programs_packs_and_its_own() {
    let house = tempfile::TempDir::new().unwrap();
    let names = || Packs::of_house(house.path()).map(|packs| packs.names().map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(names().unwrap(), ["kr", "general"]);
    std::fs::write(house.path().join("README.md"), "notes").unwrap();
    std::fs::create_dir(house.path().join("forms")).unwrap();
    std::fs::create_dir(house.path().join("jp")).unwrap();
    std::fs::write(house.path().join("jp/pack.toml"), GOOD).unwrap();
    assert!(names().is_err(), "its word list is missing");
    std::fs::write(house.path().join("jp/city.txt"), "東京 大阪").unwrap();
    assert_eq!(names().unwrap(), ["kr", "general", "jp"]);
    // What cannot be looked at is not taken for nothing.
    assert!(Packs::of_house(&house.path().join("README.md")).is_err());
    assert_eq!(Packs::of_house(&house.path().join("nowhere")).unwrap().names().count(), 2);
}
