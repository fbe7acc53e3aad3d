//! The configuration as operators write it: files, variables, secrets, faults, and `check`.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Output},
};

use asset_gateway::config::{Config, Environment, Limits, settings};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with `gateway.toml`.
fn folder(toml: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("gateway.toml"), toml).expect("written");
    folder
}

fn load_in(folder: &Path, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let environment: Environment = variables.iter().copied().collect();
    Config::load(Some(folder.join("gateway.toml")), &environment).map_err(|error| {
        let path = format!("{}/", folder.display());
        let faults = error.faults.iter();
        faults.map(|fault| fault.replace(&path, "")).collect()
    })
}

fn load(toml: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    load_in(folder(toml).path(), variables)
}

/// The only fault of a configuration.
fn fault(toml: &str, variables: &[(&str, &str)]) -> String {
    let faults = load(toml, variables).expect_err("refused");
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults[0].clone()
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asset-gateway"));
    let command = command.env_clear().envs(variables.iter().copied());
    command.args(arguments).output().expect("it runs")
}

/// What `check --json` prints, and its exit code.
fn check(arguments: &[&str], variables: &[(&str, &str)]) -> (Value, Option<i32>) {
    let output = run(&[&["check", "--json"], arguments].concat(), variables);
    let printed = serde_json::from_slice(&output.stdout).expect("one JSON object");
    (printed, output.status.code())
}

const TOKEN: (&str, &str) = ("PIKTID_TOKEN", "t");

#[test]
fn a_fault_names_its_place_its_key_and_what_is_right() {
    for (toml, expected) in [
        (
            "listen = \"x\"",
            "gateway.toml:1: `listen` must be an address and a port",
        ),
        (
            "listen = 8000",
            "gateway.toml:1: `listen` must be a text in quotes",
        ),
        (
            "\n\ntelemetry = \"x\"",
            "gateway.toml:3: `telemetry` is not a key of the top of the file; its keys are: ",
        ),
        (
            "lisen = \"x\"",
            "gateway.toml:1: `lisen` is not a key of the top of the file: did you mean `listen`?",
        ),
        (
            "listen = \":1\"\nlisten = \":2\"",
            "gateway.toml:2: `listen` is set a second time",
        ),
        (
            "public_url = \"ftp://x\"",
            "gateway.toml:1: `public_url` must be the http or https address",
        ),
        (
            "explorer = \"yes\"",
            "gateway.toml:1: `explorer` must be true or false",
        ),
        (
            "explorer = 1",
            "gateway.toml:1: `explorer` must be true or false",
        ),
        (
            "media_secret = \"8letters\"",
            "gateway.toml:1: `media_secret` must have at least 32 characters",
        ),
        (
            "media_secret_file = \"none\"",
            "gateway.toml:1: `media_secret_file` names a file that cannot be read",
        ),
        (
            "limits = 5",
            "gateway.toml:1: [limits] must be a table of keys",
        ),
        (
            "[limits]\ndepth = 0",
            "gateway.toml:2: `depth` must be 1 or more",
        ),
        (
            "[limits]\ndepth = -1",
            "gateway.toml:2: `depth` must be a whole number that is neither negative nor too large",
        ),
        (
            "[limits]\ndepth = 1.5",
            "gateway.toml:2: `depth` must be a whole number of at most 18 digits, such as 12: no quotes, no unit",
        ),
        (
            "[limits]\ndepth = \"12\"",
            "gateway.toml:2: `depth` must be a whole number of at most 18 digits, such as 12: no quotes, no unit",
        ),
        (
            "[limits]\nnesting = 201",
            "gateway.toml:2: `nesting` must be 1 to 200",
        ),
        (
            "[limits]\nupstream_calls = 4294967296",
            "gateway.toml:2: `upstream_calls` must be a whole number that is neither negative nor too large",
        ),
        (
            "[limits]\nquery_deadline_seconds = \"30s\"",
            "gateway.toml:2: `query_deadline_seconds` must be a number, such as 2.5: no quotes, no unit",
        ),
        (
            "[limits]\nidle_seconds = 86401",
            "gateway.toml:2: `idle_seconds` must be a number of seconds from 0 to 86400",
        ),
        (
            "[limits]\ndepht = 1",
            "gateway.toml:2: `depht` is not a key of [limits]: did you mean `depth`?",
        ),
        (
            "[cache]\nsize_mib = 0",
            "gateway.toml:2: `size_mib` must be 1 or more",
        ),
        (
            "[cache]\npage_fresh_seconds = -1",
            "gateway.toml:2: `page_fresh_seconds` must be a number of seconds",
        ),
        (
            "[cashe]\nsize_mib = 1",
            "gateway.toml:1: `cashe` is not a key of the top of the file: did you mean `cache`?",
        ),
        (
            "[log]\nformat = \"xml\"",
            "gateway.toml:2: `format` must be one of \"auto\", \"text\", \"json\"",
        ),
        (
            "[log]\nfilter = \"a=b=c\"",
            "gateway.toml:2: `filter` must be a level",
        ),
        (
            "[documents]\ntrusted_only = true",
            "gateway.toml:2: `trusted_only` without a document",
        ),
        (
            "[documents]\nmanifests = [\"none.json\"]",
            "gateway.toml:2: `manifests` names none.json, which cannot be read",
        ),
        (
            "[documents]\nmanifests = \"none.json\"",
            "gateway.toml:2: `manifests` must be a list of texts in quotes",
        ),
        (
            "[access]\nmode = \"key\"",
            "gateway.toml:2: `mode` must be one of \"open\", \"keys\", \"jwt\"",
        ),
        (
            "[access]\ncors_origins = [1]",
            "gateway.toml:2: `cors_origins` must be a list of texts in quotes",
        ),
        (
            "[access]\nkeys = 1",
            "gateway.toml:2: `keys` must be tables: [[access.keys]]",
        ),
        (
            "[access.rate_limit]\nburst = 5",
            "gateway.toml:1: [access.rate_limit] needs `requests_per_minute`",
        ),
        (
            "[access]\nmode = \"jwt\"\n[access.jwt]\nissuer = 1",
            "gateway.toml:4: `issuer` must be a text in quotes",
        ),
        (
            "[access]\nmode = \"jwt\"\n[access.jwt]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = [\"RS256\"]\njwks_file = \".\"",
            "gateway.toml:7: `jwks_file` names ., which cannot be read",
        ),
        (
            "sources = 1",
            "gateway.toml:1: `sources` must hold tables: [sources.<name>]",
        ),
        (
            "[sources.a]\ntoken = \"t\"",
            "gateway.toml:1: source `a` needs `provider`",
        ),
        (
            "[sources.a]\nprovider = \"piktit\"",
            "gateway.toml:2: source `a` needs `provider`, one of",
        ),
        (
            "[sources.A]\nprovider = \"piktid\"\ntoken = \"t\"",
            "gateway.toml:1: `A`: a source's name is",
        ),
        (
            "[sources.piktid]\ntokn = \"t\"\ntoken = \"t\"",
            "gateway.toml:2: `tokn` is not a key of [sources.piktid]: did you mean `token`?",
        ),
        (
            "[sources.a]\nprovider = \"piktid\"\ntoken = \"t\"\napi_key = \"t\"",
            "gateway.toml:4: `api_key` is not a key of [sources.a] (provider `piktid`); its keys are: ",
        ),
        (
            "[sources.piktid]\ntoken = 987654",
            "gateway.toml:2: `token` must be a text in quotes",
        ),
        (
            "[sources.piktid]\ntoken = \"\"",
            "gateway.toml:2: `token` must be visible ASCII",
        ),
        (
            "[sources.piktid]\ntoken = \"a b\"",
            "gateway.toml:2: `token` must be visible ASCII",
        ),
        (
            "[sources.piktid]\ntoken_file = \"none\"",
            "gateway.toml:2: `token_file` names a file that cannot be read",
        ),
        (
            "[sources.piktid]\ntoken_file = \".\"",
            "gateway.toml:2: `token_file` names a file that cannot be read",
        ),
        (
            "[sources.piktid]\ntoken_env = \"NONE\"",
            "gateway.toml:2: `token_env` names a variable that is not set",
        ),
        (
            "[sources.piktid]\ntoken = \"t\"\ntoken_env = \"HOME\"",
            "gateway.toml:3: `token` and `token_env` set the same key: keep one",
        ),
        (
            "[sources.piktid]",
            "gateway.toml:1: source `piktid` has no credential: set `token`",
        ),
        (
            "[sources.piktid]\ntoken = \"t\"\npassthrough = true",
            "gateway.toml:3: source `piktid` is `passthrough`, so callers bring their credentials: remove `token`",
        ),
        (
            "[sources.piktid]\ntoken = \"t\"\nurl = \"http://a/?x\"",
            "gateway.toml:3: `url` must be an http or https address without",
        ),
        (
            "[sources.piktid]\ntoken = \"t\"\nin_flight = 0",
            "gateway.toml:3: `in_flight` must be 1 or more",
        ),
        (
            "[sources.piktid]\ntoken = \"t\"\nca_file = \"none.pem\"",
            "gateway.toml:3: `ca_file` names none.pem, which cannot be read",
        ),
        (
            "[sources.piktid]\ntoken = \"t\"\nstorage_hosts = [\"https://a\"]",
            "gateway.toml:3: `storage_hosts` must list hosts without scheme",
        ),
        (
            "[sources.piktid]\ntoken = \"t\"\nformer_names = [\"X\"]",
            "gateway.toml:3: `former_names` must list names of sources; `X`: a source's name is",
        ),
        (
            "[sources.piktid]\ntoken = \"t\"\n[sources.piktid.cache]\npage_fresh = 1",
            "gateway.toml:4: `page_fresh` is not a key of [sources.piktid.cache]",
        ),
        (
            "[sources.scenario]\napi_key = \"k\"",
            "gateway.toml:1: source `scenario` has `api_key` but no `api_secret`",
        ),
        (
            "[sources.scenario]\njwt = \"j\"\npublic = true",
            "gateway.toml:1: source `scenario` has more than one credential",
        ),
        (
            "[sources.scenario]\npublic = true\npublic_endpoint = \"all\"",
            "gateway.toml:3: `public_endpoint` must be one of \"assets\", \"assets-public\"",
        ),
        (
            "[sources.comfy]",
            "gateway.toml:1: source `comfy` is Comfy Cloud and has no credential",
        ),
        (
            "[sources.comfy]\nurl = \"http://a\"\nlisted_tags = []",
            "gateway.toml:3: `listed_tags` must name at least one tag",
        ),
        (
            "[sources.comfy]\nurl = \"http://a\"\nuser = \"\"",
            "gateway.toml:3: `user` must be printable ASCII",
        ),
        (
            "[sources.comfy]\nurl = \"http://a\"\n[sources.two]\nprovider = \"comfy\"\nurl = \"http://a\"",
            "gateway.toml:3: source `two` has the address and the credential of source `comfy`",
        ),
        (
            "[sources.comfy]\nurl = \"http://a\"\nformer_names = [\"two\"]\n[sources.two]\nprovider = \"comfy\"\nurl = \"http://b\"",
            "gateway.toml:1: `former_names` of `comfy` lists `two`",
        ),
        (
            "[sources.comfy]\nurl = \"http://a/api\"\n[sources.two]\nprovider = \"comfy\"\nurl = \"http://a/api/\"",
            "gateway.toml:3: source `two` has the address and the credential of source `comfy`",
        ),
        (
            "[limits]\nconnections = 9223372036854775807",
            "gateway.toml:2: `connections` must be at most 1000000000000",
        ),
        (
            "[access.rate_limit]\nrequests_per_minute = 1\nburst = 4294967295",
            "gateway.toml:3: `burst` must be at most 1000000",
        ),
        (
            "[limits]\ntokens = 99999999999999999999",
            "gateway.toml:2: `tokens` must be a whole number of at most 18 digits",
        ),
        (
            "listen = 127.0.0.1:8000",
            "gateway.toml:1: the value of `listen` is not TOML (",
        ),
        (
            "[sources.piktid]\ntoken: \"987654\"",
            "gateway.toml:2: this line is not TOML (",
        ),
        (
            "sources = { piktid = { token : \"987654\" } }",
            "gateway.toml:1: the value of `sources` is not TOML (",
        ),
        (
            "[access]\nmode = \"keyz\"\n[[access.keys]]\nid = \"a\"\nhash = \"blake3:0000000000000000000000000000000000000000000000000000000000000000\"\nscopes = []",
            "gateway.toml:2: `mode` must be one of",
        ),
        (
            "[access]\nmode = \"keys\"\n[[access.keys]]\nid = \"agw_987654\"\nhash = \"blake3:0000000000000000000000000000000000000000000000000000000000000000\"\nscopes = []",
            "gateway.toml:4: `id` is a name for the key",
        ),
        (
            "[access]\nmode = \"keys\"\n[[access.keys]]\nid = \"a\"\nhash = \"agw_987654\"\nscopes = []",
            "gateway.toml:5: `hash` must be `blake3:` and 64 digits",
        ),
        (
            "[access]\nmode = \"keys\"\n[[access.keys]]\nid = \"a\"\nhash = \"blake3:0000000000000000000000000000000000000000000000000000000000000000\"\nscopes = [\"agw_987654\"]",
            "gateway.toml:6: `scopes` must list what the key permits",
        ),
        (
            "[access]\ncors_origins = [\"https://user:987654@a.example\"]",
            "gateway.toml:2: `cors_origins`: `…` must be an origin",
        ),
        (
            "[sources.piktid]\ntoken = \"t\"\nstorage_hosts = [\"user:987654@a.example\"]",
            "gateway.toml:3: `storage_hosts` must list hosts without scheme",
        ),
        (
            "[sources.piktid]\ntoken_env = \"987654\"",
            "gateway.toml:2: `token_env` names a variable that is not set",
        ),
        (
            "[sources.p-a]\nprovider = \"piktid\"",
            "gateway.toml:1: source `p-a` has no credential: set `token` (or `token_file`, `token_env`, or ASSET_GATEWAY_SOURCES_P_A_TOKEN in the environment)",
        ),
        (
            "[sources.comfy]\nurl = \"http://a\"\nca_file = \"gateway.toml\"",
            "gateway.toml:3: `ca_file` must name a file with certificates in PEM",
        ),
        (
            "[access]\nmode = \"jwt\"\n[access.jwt]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = [\"RS256\"]\njwks_file = \"gateway.toml\"",
            "gateway.toml:7: `jwks_file` must name a JWK set with a public key",
        ),
        (
            "[access]\nmode = \"jwt\"\n[access.jwt]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = [\"RS256\"]\njwks_url = \"http://x.example\"",
            "gateway.toml:7: `jwks_url` must be an https address",
        ),
        (
            "listen = \":1\"\n[sources.piktid]\ntoken = \"987654\"",
            "gateway.toml:1: refusing to listen on 0.0.0.0:1",
        ),
        (
            "\"a\\nb\\u001b[31m\" = 1",
            "gateway.toml:1: `a b [31m` is not a key of the top of the file",
        ),
    ] {
        let fault = fault(toml, &[]);
        assert!(fault.starts_with(expected), "{toml}\n{fault}");
        assert!(!fault.contains("987654"), "{fault}");
        for rust in ["usize", "u64", "struct", "Option", "expected a "] {
            assert!(!fault.contains(rust), "{fault}");
        }
    }
}

#[test]
fn a_line_that_is_not_toml_shows_no_secret() {
    for toml in [
        "[sources.\"\"\"piktid]\ntoken = \"987654\"",
        "[sources]\npiktid = { token => \"987654\" }",
        "[sources]\npiktid = { token = Bearer \"987654\" }",
        "[sources]\npiktid = { token = \"abc\", \"987654\" }",
        "[sources.piktid]\ntoken = \"\"987654\"\"",
        "[sources.piktid]\ntoken = 0x987654zz",
        "[sources.piktid]\ntoken \"987654\"",
        "[sources.piktid\ntoken = \"987654\"",
    ] {
        let faults = load(toml, &[]).expect_err("refused");
        assert!(!faults.is_empty(), "{toml}");
        for fault in faults {
            assert!(fault.contains(" not TOML ("), "{toml}: {fault}");
            assert!(!fault.contains("987654"), "{toml}: {fault}");
        }
    }
}

#[test]
fn a_fault_of_a_variable_names_the_variable() {
    for (variables, expected) in [
        (
            &[("ASSET_GATEWAY_LISTEN", "8000")][..],
            "ASSET_GATEWAY_LISTEN must be an address and a port",
        ),
        (
            &[("ASSET_GATEWAY_LIMITS_DEPTH", "12 fields")],
            "ASSET_GATEWAY_LIMITS_DEPTH must be a whole number of at most 18 digits, such as 12, without quotes or a unit",
        ),
        (
            &[("ASSET_GATEWAY_LIMITS_DEPTH", "0")],
            "ASSET_GATEWAY_LIMITS_DEPTH must be 1 or more",
        ),
        (
            &[("ASSET_GATEWAY_LIMITS_DEPHT", "1")],
            "ASSET_GATEWAY_LIMITS_DEPHT sets no key: did you mean ASSET_GATEWAY_LIMITS_DEPTH?",
        ),
        (
            &[("ASSET_GATEWAY_EXPLORER", "no")],
            "ASSET_GATEWAY_EXPLORER must be true or false",
        ),
        (
            &[("ASSET_GATEWAY_ACCES_MODE", "keys")],
            "ASSET_GATEWAY_ACCES_MODE sets no key: did you mean ASSET_GATEWAY_ACCESS_MODE?",
        ),
        (
            &[("ASSET_GATEWAY_LISTEN", ":1"), TOKEN],
            "ASSET_GATEWAY_LISTEN: refusing to listen on 0.0.0.0:1",
        ),
        (
            &[("ASSET_GATEWAY_LOG_FORMAT", "xml")],
            "ASSET_GATEWAY_LOG_FORMAT must be one of auto, text, json",
        ),
        (
            &[
                ("ASSET_GATEWAY_LOG", "info"),
                ("ASSET_GATEWAY_LOG_FILTER", "debug"),
            ],
            "ASSET_GATEWAY_LOG: ASSET_GATEWAY_LOG_FILTER and ASSET_GATEWAY_LOG set the same key",
        ),
        (
            &[("ASSET_GATEWAY_MEDIA_SECRET", "8letters")],
            "ASSET_GATEWAY_MEDIA_SECRET must have at least 32 characters",
        ),
        (
            &[TOKEN, ("PIKTID_TOKEN_FILE", "x")],
            "PIKTID_TOKEN_FILE: PIKTID_TOKEN and PIKTID_TOKEN_FILE set the same key",
        ),
        (
            &[TOKEN, ("PIKTID_URL", "x")],
            "PIKTID_URL must be an http or https address",
        ),
        (
            &[("ASSET_GATEWAY_SOURCES_FAR_AWAY_TOKEN", "t")],
            "ASSET_GATEWAY_SOURCES_FAR_AWAY_TOKEN sets no key of a configured source: ASSET_GATEWAY_SOURCES_FAR_PROVIDER makes a source",
        ),
        (
            &[("ASSET_GATEWAY_SOURCES_ONE_PROVIDER", "one")],
            "ASSET_GATEWAY_SOURCES_ONE_PROVIDER: source `one` needs `provider`",
        ),
        (
            &[("ASSET_GATEWAY_SOURCES_ONE_PROVIDER", "piktid")],
            "source `one` has no credential",
        ),
        (
            &[("SCENARIO_API_KEY", "k")],
            "source `scenario` has `api_key` but no `api_secret`",
        ),
    ] {
        let fault = fault("", variables);
        assert!(fault.starts_with(expected), "{fault}");
    }
}

#[test]
fn all_faults_are_listed_in_the_order_of_the_file() {
    let several = load(
        "[access]\nmode = \"jwt\"\n[access.jwt]\nleeway_seconds = 301\njwks_url = \"x\"\n\
         [sources.scenario]\napi_key = \"k\"\npatience_seconds = \"x\"\n",
        &[],
    );
    assert_eq!(several.expect_err("refused").len(), 4);
    let faults = load(
        "listen = 1\n[sources.piktid]\ntokn = \"t\"\n[limits]\ndepth = 0\nx = 1\n[log]\nformat = 1\n",
        &[("ASSET_GATEWAY_CACHE_SIZE_MIB", "much")],
    )
    .expect_err("refused");
    let places: Vec<&str> = faults
        .iter()
        .filter_map(|fault| fault.split(' ').next())
        .collect();
    let lines = [1, 3, 5, 6, 8].map(|line| format!("gateway.toml:{line}:"));
    assert_eq!(places[..5], lines);
    assert_eq!(places[5], "ASSET_GATEWAY_CACHE_SIZE_MIB");
}

#[test]
fn variables_replace_the_files_values() {
    let toml = "listen = \":1\"\n[sources.comfy-local]\nprovider = \"comfy\"\nurl = \"http://a\"\n\
                [sources.piktid]\ntoken_env = \"NONE\"\n";
    let variables = [
        ("ASSET_GATEWAY_LISTEN", "localhost:9"),
        ("ASSET_GATEWAY_LIMITS_QUERY_DEADLINE_SECONDS", "2.5"),
        ("ASSET_GATEWAY_ACCESS_ALLOWED_HOSTS", "a.example, b.example"),
        ("ASSET_GATEWAY_SOURCES_COMFY_LOCAL_URL", "http://b"),
        (
            "ASSET_GATEWAY_SOURCES_COMFY_LOCAL_CACHE_PAGE_FRESH_SECONDS",
            "7",
        ),
        ("ASSET_GATEWAY_SOURCES_MY_OTHER_PROVIDER", "piktid"),
        ("ASSET_GATEWAY_SOURCES_MY_OTHER_TOKEN", "other"),
        ("ASSET_GATEWAY_SOURCES_PIKTID_TOKEN", "t"),
        // As Kubernetes sets them for a service of this name.
        ("ASSET_GATEWAY_PORT", "tcp://10.0.0.1:80"),
        ("ASSET_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("ASSET_GATEWAY_CACHE_PORT", "tcp://10.0.0.1:80"),
        ("ASSET_GATEWAY_CACHE_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("ASSET_GATEWAY_LIMITS_SERVICE_PORT_HTTP", "80"),
        ("ASSET_GATEWAY_TAG", "1.2"),
    ];
    let config = load(toml, &variables).expect("valid");
    assert_eq!(config.listen.to_string(), "127.0.0.1:9");
    assert_eq!(config.limits.query_deadline.as_millis(), 2_500);
    assert_eq!(config.access.allowed_hosts, ["a.example", "b.example"]);
    let mut sources: Vec<String> = config
        .sources
        .iter()
        .map(|source| {
            let fresh = source
                .common
                .freshness
                .page_fresh
                .map(|time| time.as_secs());
            format!("{} {} {fresh:?}", source.common.name, source.common.url)
        })
        .collect();
    sources.sort();
    assert_eq!(
        sources,
        [
            "comfy-local http://b/ Some(7)",
            "my-other https://v2.api.piktid.com/ None",
            "piktid https://v2.api.piktid.com/ None"
        ]
    );
    assert_eq!(
        config.remarks,
        ["ASSET_GATEWAY_TAG sets no key: docs/configuration.md lists the variables"]
    );
}

#[test]
fn every_way_of_a_secret_is_one_secret() {
    let account = |toml: &str, variables: &[(&str, &str)]| {
        let folder = folder(toml);
        std::fs::write(folder.path().join("piktid.token"), "hush\n").expect("written");
        let config = load_in(folder.path(), variables).expect("valid");
        let settings = &config.sources.first().expect("a source").settings;
        settings.account().join(" ")
    };
    let file = folder("");
    let path = file.path().join("token");
    std::fs::write(&path, "hush\r\n").expect("written");
    let path = path.to_str().expect("text");
    for (toml, variables) in [
        ("[sources.piktid]\ntoken = \"hush\"", &[][..]),
        ("[sources.piktid]\ntoken_file = \"piktid.token\"", &[]),
        ("[sources.piktid]\ntoken_env = \"T\"", &[("T", "hush")]),
        ("", &[("PIKTID_TOKEN", "hush")]),
        ("", &[("PIKTID_TOKEN_FILE", path)]),
        ("", &[("ASSET_GATEWAY_SOURCES_PIKTID_TOKEN", "hush")]),
        ("", &[("ASSET_GATEWAY_SOURCES_PIKTID_TOKEN_FILE", path)]),
        (
            "",
            &[
                ("ASSET_GATEWAY_SOURCES_PIKTID_TOKEN_ENV", "T"),
                ("T", "hush"),
            ],
        ),
        (
            "[sources.piktid]\ntoken = \"other\"",
            &[("PIKTID_TOKEN_FILE", path)],
        ),
    ] {
        assert_eq!(account(toml, variables), "hush", "{toml} {variables:?}");
    }
    let quoted = load("", &[("PIKTID_TOKEN", "\"hush\"")]).expect("valid");
    assert!(quoted.remarks[0].contains("PIKTID_TOKEN` has quotes around it"));
    assert!(!quoted.remarks[0].contains("hush"));
    let secret = "x".repeat(32);
    let config = load("media_secret_env = \"S\"", &[("S", &secret)]).expect("valid");
    assert!(!format!("{config:?}").contains(&secret));
    assert!(config.media_secret.is_some());
}

#[test]
fn check_reports_as_json_what_serve_refuses() {
    let exposed = folder("listen = \"0.0.0.0:1\"\n[sources.piktid]\ntoken = \"t\"\n");
    let path = exposed.path().join("gateway.toml");
    let path = path.to_str().expect("text");
    let (report, code) = check(&["--config", path, "--offline"], &[]);
    assert_eq!(code, Some(64));
    assert_eq!(report["ok"], false);
    let fault = report["faults"][0].as_str().unwrap_or_default();
    assert!(
        fault.contains("gateway.toml:1: refusing to listen on 0.0.0.0:1"),
        "{fault}"
    );
    let serve = run(&["serve", "--config", path], &[]);
    assert_eq!(serve.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&serve.stderr).contains(fault));
    // The command line may mend it.
    let local = ["--config", path, "--offline", "--listen", "localhost:0"];
    let (report, code) = check(&local, &[]);
    assert_eq!((&report["ok"], code), (&json!(true), Some(0)));
    assert_eq!(report["sources"], json!([]));
    let (report, code) = check(&[], &[]);
    assert_eq!(code, Some(64));
    let fault = report["faults"][0].as_str().unwrap_or_default();
    assert!(fault.starts_with("no source is configured"), "{fault}");
}

#[test]
fn check_asks_the_sources_and_the_issuer() {
    let toml = "[access]\nmode = \"jwt\"\n[access.jwt]\nissuer = \"i\"\naudience = \"a\"\n\
                algorithms = [\"RS256\"]\njwks_url = \"http://127.0.0.1:9/keys\"\n\
                [sources.comfy]\nurl = \"http://127.0.0.1:9\"\n";
    let folder = folder(toml);
    let path = folder.path().join("gateway.toml");
    let path = path.to_str().expect("text");
    let (report, code) = check(&["--config", path], &[]);
    assert_eq!((&report["ok"], code), (&json!(false), Some(1)));
    assert_eq!(report["faults"], json!([]));
    assert_eq!(report["sources"][0]["name"], "comfy");
    assert_eq!(report["sources"][0]["reachable"], "no");
    assert_eq!(
        report["sources"][0]["error"]["code"],
        "UPSTREAM_UNAVAILABLE"
    );
    assert_eq!(report["issuer"]["keys"], Value::Null);
    assert!(report["issuer"]["error"].is_string());
    let (report, code) = check(&["--config", path, "--offline"], &[]);
    assert_eq!((&report["ok"], code), (&json!(true), Some(0)));
}

#[test]
fn listen_takes_the_usual_spellings() {
    for (text, expected) in [
        ("localhost:8000", "127.0.0.1:8000"),
        (":8000", "0.0.0.0:8000"),
        ("[::]:8000", "[::]:8000"),
        ("0.0.0.0:1", "0.0.0.0:1"),
    ] {
        let config = load(&format!("listen = \"{text}\""), &[]).expect("valid");
        assert_eq!(config.listen.to_string(), expected);
    }
    let wrong = run(&["serve", "--listen", "8000"], &[]);
    let message = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        message.contains("--listen must be an address and a port"),
        "{message}"
    );
    let (report, code) = check(&["--listen", "8000"], &[]);
    assert_eq!(code, Some(64));
    assert_eq!(report["faults"].as_array().map(Vec::len), Some(1));
    assert_eq!(run(&["--lisen", "x"], &[]).status.code(), Some(64));
    // A URL has no zone, an address may.
    let zone = ["--offline", "--listen", "[::1%1]:0"];
    let (report, code) = check(&zone, &[TOKEN]);
    assert_eq!((&report["faults"], code), (&json!([]), Some(0)));
}

#[test]
fn the_key_stands_alone_on_standard_output() {
    let output = run(&["key"], &[]);
    let key = String::from_utf8(output.stdout).expect("text");
    assert!(key.starts_with("agw_") && key.trim_end().lines().count() == 1);
    let advice = String::from_utf8(output.stderr).expect("text");
    assert!(advice.contains("[[access.keys]]") && !advice.contains(key.trim()));
}

/// The rows of the table of keys in `docs/configuration.md`.
fn documented() -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let text = std::fs::read_to_string(path).expect("docs/configuration.md");
    let table = text.split_once("## Keys").expect("a table").1;
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        row.trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    })
    .collect()
}

#[test]
fn the_documentation_lists_every_key_and_its_variable() {
    let documented: BTreeSet<(String, String)> = documented()
        .into_iter()
        .map(|cells| (cells[0].clone(), cells[3].trim_matches('`').to_owned()))
        .collect();
    let known: BTreeSet<(String, String)> = settings()
        .into_iter()
        .map(|setting| {
            let (table, provider) = match setting.table.split_once(" of ") {
                Some((table, provider)) => (table, format!(" ({provider})")),
                None => (setting.table.as_str(), String::new()),
            };
            let table = match table {
                "" => String::new(),
                "[[access.keys]]" => "access.keys[].".to_owned(),
                table => format!("{}.", table.trim_matches(['[', ']'])),
            };
            let secret = if setting.is_secret { " \\*" } else { "" };
            let key = format!("`{table}{}`{provider}{secret}", setting.key);
            let variable = setting
                .variable
                .unwrap_or_else(|| "the file alone".to_owned());
            (key, variable)
        })
        .collect();
    assert!(known.len() > 80, "the structs were read");
    assert_eq!(documented, known);
}

#[test]
fn the_documented_defaults_are_the_programs() {
    let limits: String = documented()
        .into_iter()
        .filter_map(|cells| {
            let key = cells[0].trim_matches('`').strip_prefix("limits.")?;
            Some(format!("{key} = {}\n", cells[1].trim_matches('`')))
        })
        .collect();
    let config = load(&format!("[limits]\n{limits}"), &[]).expect("valid");
    let default = format!("{:?}", Limits::default());
    assert_eq!(format!("{:?}", config.limits), default);
}

#[test]
fn every_variable_is_read() {
    for setting in settings() {
        let Some(variable) = setting.variable else {
            continue;
        };
        let provider = setting
            .table
            .split_once(" of ")
            .map_or("piktid", |(_, of)| of);
        let variable = variable.replace("<NAME>", "ONE");
        // A text that no key takes; a key that takes any text is set without a fault.
        let variables = [
            ("ASSET_GATEWAY_SOURCES_ONE_PROVIDER", provider),
            (variable.as_str(), "\u{1}"),
        ];
        let faults = load("", &variables).err().unwrap_or_default();
        let unknown = format!("{variable} sets no key");
        assert!(
            !faults.iter().any(|fault| fault.starts_with(&unknown)),
            "{faults:#?}"
        );
    }
}
