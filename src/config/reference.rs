//! `docs/configuration.md`, generated from the tables that loading reads.

use std::borrow::Borrow;

use super::{Credential, ProviderType};
use crate::config::providers::types::PROVIDER_TYPES;
use crate::config::sections::proxy;
use crate::config::table::setting::{Default, Setting, Slot};
use crate::config::table::settings::SETTINGS;

const HEAD: &str = "\
# Configuration

Generated from the settings table in the source; edit the table, not this page.

## Sources

A later source overrides an earlier one: defaults, the YAML file, `.env`, the environment, command-line flags. The YAML file
is the one named by `--config` or `AURORA_CONFIG_PATH`, otherwise the first existing one of `config.yaml`,
`config/config.yaml` and `configs/config.yaml`. The `.env` file is the one named by `--env-file`, otherwise `./.env`.
`aurora config check` prints every value that differs from its default with its source, `--all` every one.

Strings in the YAML file may contain `${VAR}` and `${VAR:-default}`; `$$` is a dollar sign. An empty variable counts as unset.
In a key, `$NAME` and `os.environ/NAME` are errors: write `${NAME}`. Sizes are bytes, or have the suffix `K`, `M` or `G` (powers
of 1024). Durations are seconds, or have the units `ms`, `s`, `m`, `h`, as in `1m30s`.

This page names a setting by its path: `metrics.enabled` is `enabled` below `metrics:`. In the file the path is an error.

Only regular files are read, and symbolic links to them; `/dev/null` counts as an empty file.

## Reload

SIGHUP reloads all settings. When a file that holds a secret changes, only that secret is reloaded, automatically. These settings
change only at a restart, and the log names those that differ: `server.host`, `server.port`, `server.base_path`,
`server.workers`, `log.format`, and every `metrics.` setting except `metrics.token`.

The log line `configuration reloaded` has `changes`: settings with their old and new values, entries of `server.keys`, `providers`
and `routes` that were added or removed; of a secret only that it changed. It names at most 20 and counts the rest.

A reload is refused if the configuration has errors: the active configuration stays, and `aurora_config_last_reload_successful`
is 0. It is also refused if it could remove authentication by mistake: if the configuration file or `.env` was read before and is
now missing, unreadable or empty, or if `server.master_key`, the last of `server.keys` or the last credential of the metrics
endpoint would be removed. To remove them, restart. After a refusal Aurora checks the files again and loads them once they are
valid.

## The report of `config check`

`aurora config check --format json` prints one document. Its `schema` is 1; fields may be added to it.

| field | value |
| --- | --- |
| `valid` | false if there is an error, or with `--strict` a warning that `--allow` does not name |
| `problems` | each with `severity` (`error`, `warning`), `id`, `source`, `line`, `column`, `key`, `message`, `fix`; the place and the key may be null |
| `settings` | each with `key`, `value`, `source` (`default`, `config.yaml:12`, `.env:3`, `environment PORT`) |
| `metrics` | `enabled`, `endpoint`, `url`, `auth` (`none`, `nobody`, `master_key`, `metrics_token`, `metrics_token_or_master_key`), `worst_case` with `series`, `samples` and `exemplar_bytes`; null if the configuration is not valid |
| `keys` | the names of `server.keys` |
| `providers` | each with `name`, `type`, `base_url`, `key_set`, `models`, `inject_usage` |
| `routes` | each with `model`, `strategy`, `targets` |
| `needs` | variables that `--assume-set` took for set |

A `value` is true or false, a number, a string, a list of strings, or for prices an object of numbers (USD per million tokens);
sizes are in bytes, durations in seconds. It is null if the setting has no value or its value was refused. A secret is the string `set (32 characters)`.
";

const PROVIDERS: &str = "
## Providers

The variables of a type are enough to configure a provider: `OPENAI_API_KEY` configures `openai`. With a suffix they configure a
named provider: `OPENAI_EAST_API_KEY` and `OPENAI_EAST_BASE_URL` configure `openai-east`. If the YAML file has providers,
variables override the settings of the provider with that name or, without a suffix, of the only provider of that type.

Requests are sent only to providers whose type supports the endpoint; `/p/NAME/` forwards any request. For a `gemini` provider it
leads to the root of its API, with `x-goog-api-key`: `/p/NAME/v1beta/models/MODEL:generateContent`. Gemini's OpenAI-compatible API
is at `/p/NAME/v1beta/openai/…` and `/p/NAME/v1/chat/completions`.

Azure's `base_url` is the resource, with or without `/openai`: then models are deployments,
`/openai/deployments/MODEL/chat/completions?api-version=VERSION`. A `base_url` with any other path, such as `/openai/v1` or
`/openai/deployments/NAME`, is used unchanged, and requests to `/openai/v1` have no dated version.

";

/// The page in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Environment\n\n");
    let mut variables = Vec::new();
    for setting in SETTINGS {
        for name in setting.environment {
            variables.push([code(name), code(setting.key.as_str()), default(setting), help(setting, name)]);
        }
    }
    table(&mut page, ["variable", "setting", "default", "meaning"], variables.into_iter());
    page.push_str("\n`T` stands for a provider type's prefix, with or without your own suffix. The path of the YAML file has its own variable:\n");
    page.push_str("`AURORA_CONFIG_PATH`.\n\n## YAML\n\n");
    table(&mut page, ["key", "value", "default", "meaning"], SETTINGS.iter().map(key_row));
    page.push_str(PROVIDERS);
    table(
        &mut page,
        ["type", "variables", "base_url", "key", "inject_usage", "endpoints"],
        PROVIDER_TYPES.iter().map(provider_row),
    );
    page
}

fn table<const N: usize>(page: &mut String, head: [&str; N], rows: impl Iterator<Item = [String; N]>) {
    page.push_str(&line(&head));
    page.push_str(&line(&["---"; N]));
    for row in rows {
        page.push_str(&line(&row));
    }
}

fn line<S: Borrow<str>>(cells: &[S]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn key_row(setting: &Setting) -> [String; 4] {
    [code(setting.key.as_str()), setting.expected(), default(setting), setting.help.to_owned()]
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn default(setting: &Setting) -> String {
    match setting.default {
        Default::Text(text) => code(text),
        Default::Derived(words) => words.to_owned(),
    }
}

fn help(setting: &Setting, name: &str) -> String {
    match setting.slot {
        Slot::Proxy => proxy::meaning(name).to_owned(),
        _ if name.ends_with("_FILE") && setting.is_secret() => {
            format!("File that holds {}", code(setting.key.as_str()))
        }
        _ => setting.help.to_owned(),
    }
}

fn provider_row(row: &ProviderType) -> [String; 6] {
    let version = match row.default_api_version {
        Some(version) => format!(", `api_version` defaults to {version}"),
        None => String::new(),
    };
    let variables = format!("`{}_…`{version}", row.env_prefix);
    let header = match row.credential {
        Credential::Bearer => "`Authorization: Bearer`",
        Credential::ApiKeyHeader => "`api-key`",
        Credential::GoogleKeyHeader => "`x-goog-api-key`",
        Credential::Anthropic => "`x-api-key`, `Authorization: Bearer` on `/chat/completions`",
    };
    let key = if row.needs_key { format!("{header}, required") } else { format!("{header}, optional") };
    let base_url = match row.default_base_url {
        Some(url) => code(url),
        None => "required".to_owned(),
    };
    let routed = row.supports.iter().filter(|endpoint| endpoint.paths().next().is_some());
    let endpoints = routed.map(|endpoint| code(endpoint.as_str())).collect::<Vec<_>>().join(" ");
    [code(row.name), variables, base_url, key, row.inject_usage.to_string(), endpoints]
}
