//! `docs/configuration.md`, generated from the tables that loading reads.

use super::{Credential, ProviderType};
use crate::config::providers::types::PROVIDER_TYPES;
use crate::config::sections::proxy;
use crate::config::table::setting::{Default, Setting, Slot};
use crate::config::table::settings::SETTINGS;

const HEAD: &str = "\
# Configuration

Generated from the settings table of the binary; edit that, not this page.

Later wins: defaults, the YAML file, `.env`, the environment, command-line flags. The file is what `--config` or
`AURORA_CONFIG_PATH` names, otherwise the first of `config.yaml`, `config/config.yaml` and `configs/config.yaml`.
`.env` is what `--env-file` names, otherwise `./.env`. `aurora config check` prints every effective value with its source.

Strings of the file may hold `${VAR}` and `${VAR:-default}`; `$$` is a dollar sign. An empty variable counts as unset.
Sizes are bytes or carry `K`, `M` or `G`, which count in 1024. Durations are seconds or carry `ms`, `s`, `m`, `h`, as in `1m30s`.

Files are read where they are regular files, links followed; `/dev/null` is an empty one. In a key, `$NAME` and
`os.environ/NAME` are errors: write `${NAME}`.

SIGHUP reloads everything; a file that holds a secret is read again when it changes, and nothing else then. Some settings keep
their values until the next start, and the log names those that changed: `server.host`, `server.port`, `server.base_path`,
`server.workers`, `log.format`, and every `metrics.` setting but `metrics.token`.

A reload that has errors is refused: the active configuration stays, and `aurora_config_last_reload_successful` is 0. A reload
never unlocks, so it is refused as well where the configuration file or `.env` was read before and is gone, unreadable or empty,
and where it would take away `server.master_key`, the last of `server.keys` or the last credential of the metrics: restart for
that. After a refusal the files are looked at again, and loaded once they are whole.
";

const PROVIDERS: &str = "
## Providers

A type's variables alone make a provider: `OPENAI_API_KEY` is enough for `openai`. With a suffix they make a named one:
`OPENAI_EAST_API_KEY` and `OPENAI_EAST_BASE_URL` are the provider `openai-east`. Beside a file, variables overlay the provider
of their name, or without a suffix the only provider of their type.

Requests go only to providers whose type supports the endpoint; `/p/NAME/` passes anything. For a `gemini` provider it leads to
the root of its API, with `x-goog-api-key`: `/p/NAME/v1beta/models/MODEL:generateContent`; the API that is compatible with OpenAI's
is at `/p/NAME/v1beta/openai/…` and at `/p/NAME/v1/chat/completions`. Azure's `base_url` is the resource, with or
without `/openai`: then models are deployments, `/openai/deployments/MODEL/chat/completions?api-version=VERSION`. With any other
path, such as `/openai/v1` or `/openai/deployments/NAME`, it is taken as it is, and `/openai/v1` is sent no dated version.

";

/// The whole page, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Environment\n\n");
    let variables = SETTINGS.iter().flat_map(|setting| {
        setting
            .environment
            .iter()
            .map(|name| [code(name), code(setting.key.as_str()), default(setting), help(setting, name)])
    });
    table(&mut page, ["variable", "setting", "default", "meaning"], variables);
    page.push_str("\n`T` stands for a provider type's prefix, with or without a suffix of your own. The file has its own variable:\n");
    page.push_str("`AURORA_CONFIG_PATH`.\n\n## YAML\n\n");
    let keys = SETTINGS.iter().map(|setting| {
        [code(setting.key.as_str()), setting.expected(), default(setting), setting.help.to_owned()]
    });
    table(&mut page, ["key", "value", "default", "meaning"], keys);
    page.push_str(PROVIDERS);
    table(
        &mut page,
        ["type", "variables", "base_url", "key", "inject_usage", "endpoints"],
        PROVIDER_TYPES.iter().map(provider_row),
    );
    page
}

fn table<const N: usize>(page: &mut String, head: [&str; N], rows: impl Iterator<Item = [String; N]>) {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    page.push_str(&line(&head.map(str::to_owned)));
    page.push_str(&line(&head.map(|_| "---".to_owned())));
    rows.for_each(|row| page.push_str(&line(&row)));
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
    let version = row.default_api_version.map(|version| format!(", `api_version` defaults to {version}"));
    let variables = format!("`{}_…`{}", row.env_prefix, version.unwrap_or_default());
    let header = match row.credential {
        Credential::Bearer => "`Authorization: Bearer`",
        Credential::ApiKeyHeader => "`api-key`",
        Credential::GoogleKeyHeader => "`x-goog-api-key`",
        Credential::Anthropic => "`x-api-key`, `Authorization: Bearer` on `/chat/completions`",
    };
    let key = if row.needs_key { format!("{header}, required") } else { format!("{header}, optional") };
    let base_url = row.default_base_url.map_or_else(|| "required".to_owned(), code);
    let routed = row.supports.iter().filter(|endpoint| endpoint.paths().next().is_some());
    let endpoints = routed.map(|endpoint| code(endpoint.as_str())).collect::<Vec<_>>().join(" ");
    [code(row.name), variables, base_url, key, row.inject_usage.to_string(), endpoints]
}
