//! No two files of `src` import each other, in however many steps, but for the graph's recursion:
//! an asset has a connection of children, and a connection has assets.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The files whose types refer to each other in the schema.
const RECURSION: [&str; 5] = [
    "schema::asset",
    "schema::connection",
    "schema::merged_list",
    "schema::source",
    "schema::source_result",
];

/// A module's path, such as `["schema", "asset"]`.
type Module = Vec<String>;

/// One `use` declaration's leaf: a path, and the name that it gives.
struct Use {
    path: Vec<String>,
    name: String,
    is_public: bool,
}

/// Every file of `src` by its module path, without comments and unit tests.
fn files() -> BTreeMap<Module, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(&root).expect("below src");
            if below.extension().is_none_or(|ending| ending != "rs") || below.ends_with("main.rs") {
                continue;
            }
            let module = below.with_extension("");
            let mut module: Module = module
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            module.retain(|part| part != "lib");
            let text = fs::read_to_string(&path).expect("readable");
            let text = text
                .split("\n#[cfg(test)]\nmod ")
                .next()
                .unwrap_or_default();
            let code = text
                .lines()
                .map(|line| line.split("//").next().unwrap_or_default());
            files.insert(module, code.collect::<Vec<_>>().join("\n"));
        }
    }
    assert!(files.len() > 50, "all of src was read");
    files
}

/// The leaves of a `use` tree below `prefix`.
fn leaves(tree: &str, prefix: &[String], is_public: bool, found: &mut Vec<Use>) {
    let (mut depth, mut begin) = (0, 0);
    let mut parts = Vec::new();
    for (at, letter) in tree.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[begin..]);
    for part in parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let segments = |text: &str| -> Vec<String> {
            let segments = text.split("::").map(str::trim);
            segments
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect()
        };
        if let Some((head, inside)) = part.split_once('{') {
            let below = [prefix, &segments(head)].concat();
            let inside = inside.trim_end().trim_end_matches('}');
            leaves(inside, &below, is_public, found);
            continue;
        }
        let (path, alias) = part.split_once(" as ").unwrap_or((part, ""));
        let mut path = [prefix, &segments(path)].concat();
        if path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let last = path.last().cloned().unwrap_or_default();
        let name = if alias.is_empty() {
            last
        } else {
            alias.trim().to_owned()
        };
        found.push(Use {
            path,
            name,
            is_public,
        });
    }
}

/// The `use` declarations of a file, and the paths that it names elsewhere.
fn uses(code: &str) -> Vec<Use> {
    let (mut found, mut expressions) = (Vec::new(), String::new());
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let before = rest[..at].rsplit('\n').next().unwrap_or_default().trim();
        let is_declaration = before.is_empty() || before.starts_with("pub");
        expressions += &rest[..at];
        rest = &rest[at + 4..];
        if !is_declaration {
            continue;
        }
        let end = rest.find(';').unwrap_or(rest.len());
        leaves(&rest[..end], &[], !before.is_empty(), &mut found);
        rest = &rest[end..];
    }
    expressions += rest;
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for path in expressions.split(|c: char| !is_path(c)) {
        let is_whole = path.contains("::") && !path.ends_with(':') && !path.starts_with(':');
        if is_whole && path.starts_with(char::is_lowercase) {
            leaves(path, &[], false, &mut found);
        }
    }
    found
}

/// The imports between files: what each takes, resolved through re-exports.
struct Graph {
    uses: BTreeMap<Module, Vec<Use>>,
}

impl Graph {
    /// A path as seen from `module`, from the crate's root; `None`: another crate's.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([module, rest].concat()),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let above = &module[..module.len().checked_sub(ups)?];
                Some([above, &path[ups..]].concat())
            }
            _ => {
                let child = [module.as_slice(), std::slice::from_ref(first)].concat();
                let is_child = self.uses.contains_key(&child);
                is_child.then(|| [module, path].concat())
            }
        }
    }

    /// The file that defines what a path names.
    fn defining_file(&self, path: &[String], steps: usize) -> Option<Module> {
        let module = (0..=path.len()).rev().find_map(|length| {
            let module = path[..length].to_vec();
            self.uses.contains_key(&module).then_some(module)
        })?;
        let Some(item) = path.get(module.len()).filter(|_| steps > 0) else {
            return Some(module);
        };
        let exported = self.uses[&module].iter().find(|leaf| leaf.name == *item);
        let target = exported.and_then(|leaf| self.absolute(&module, &leaf.path));
        match target.filter(|target| target != path) {
            Some(target) => self.defining_file(&target, steps - 1),
            None => Some(module),
        }
    }

    fn imports(&self, module: &Module) -> BTreeSet<Module> {
        let own = self.uses[module].iter().filter(|leaf| {
            // A re-export of a child's item is the child's matter.
            let target = self.absolute(module, &leaf.path);
            !leaf.is_public || target.is_none_or(|target| !target.starts_with(module))
        });
        own.filter_map(|leaf| self.defining_file(&self.absolute(module, &leaf.path)?, 8))
            .filter(|target| target != module)
            .collect()
    }
}

/// All files that a file imports, in however many steps.
fn reach(start: &Module, imports: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![start]);
    while let Some(module) = next.pop() {
        for target in &imports[module] {
            if reached.insert(target.clone()) {
                next.push(target);
            }
        }
    }
    reached
}

#[test]
fn only_the_graphs_recursion_is_a_cycle_of_imports() {
    let files = files();
    let uses = files
        .iter()
        .map(|(module, code)| (module.clone(), uses(code)));
    let graph = Graph {
        uses: uses.collect(),
    };
    let imports: BTreeMap<Module, BTreeSet<Module>> = files
        .keys()
        .map(|module| (module.clone(), graph.imports(module)))
        .collect();
    let count: usize = imports.values().map(BTreeSet::len).sum();
    assert!(count > 500, "the imports were read: {count}");
    let in_cycle: BTreeSet<&Module> = files
        .keys()
        .filter(|module| reach(module, &imports).contains(*module))
        .collect();
    let edges: Vec<String> = in_cycle
        .iter()
        .flat_map(|module| imports[*module].iter().map(move |target| (module, target)))
        .filter(|(_, target)| in_cycle.contains(target))
        .map(|(module, target)| format!("{} -> {}", module.join("::"), target.join("::")))
        .collect();
    let names: Vec<String> = in_cycle.iter().map(|module| module.join("::")).collect();
    assert_eq!(names, RECURSION, "{edges:#?}");
}
