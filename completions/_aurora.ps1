
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'aurora' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'aurora'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'aurora' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Run the gateway in the foreground (the default command)')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Validate the configuration, or write a first one')
            [CompletionResult]::new('metrics', 'metrics', [CompletionResultType]::ParameterValue, 'Probe and watch metrics; print rules, dashboard and scrape config')
            [CompletionResult]::new('health', 'health', [CompletionResultType]::ParameterValue, 'Check whether the gateway at the configured address is ready')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print a shell completion script')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'aurora;serve' {
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Address to listen on; overrides server.host')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Port to listen on; overrides server.port; 0 picks a free port')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('--demo', '--demo', [CompletionResultType]::ParameterName, 'Run with an embedded upstream on 127.0.0.1: no API key, no network')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aurora;config' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Validate the configuration that `serve` loads; print the effective settings')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write a first configuration for the providers whose keys are set')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'aurora;config;check' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--allow', '--allow', [CompletionResultType]::ParameterName, 'Ignore the warning with this ID under --strict (repeatable)')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Show every setting, not only those that differ from their defaults')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Fail on warnings as well as errors')
            [CompletionResult]::new('--assume-set', '--assume-set', [CompletionResultType]::ParameterName, 'Treat unset variables as set, and list them')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aurora;config;init' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Folder to write to; it is created if need be')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aurora;config;help' {
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Validate the configuration that `serve` loads; print the effective settings')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write a first configuration for the providers whose keys are set')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'aurora;config;help;check' {
            break
        }
        'aurora;config;help;init' {
            break
        }
        'aurora;config;help;help' {
            break
        }
        'aurora;metrics' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('probe', 'probe', [CompletionResultType]::ParameterValue, 'Check that metrics endpoints work; summarise their metrics')
            [CompletionResult]::new('watch', 'watch', [CompletionResultType]::ParameterValue, 'Watch metrics endpoints live: rates, errors, latency, tokens')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List every metric: type, unit, labels, buckets, help')
            [CompletionResult]::new('scrape-config', 'scrape-config', [CompletionResultType]::ParameterValue, 'Print the Prometheus scrape configuration of this gateway')
            [CompletionResult]::new('rules', 'rules', [CompletionResultType]::ParameterValue, 'Print the recording rules and alerts')
            [CompletionResult]::new('runbook', 'runbook', [CompletionResultType]::ParameterValue, 'Print what an alert means and what to do')
            [CompletionResult]::new('dashboard', 'dashboard', [CompletionResultType]::ParameterValue, 'Print the Grafana dashboard')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'aurora;metrics;probe' {
            [CompletionResult]::new('--token-env', '--token-env', [CompletionResultType]::ParameterName, 'Environment variable that holds the bearer token')
            [CompletionResult]::new('--token-file', '--token-file', [CompletionResultType]::ParameterName, 'File that holds the bearer token')
            [CompletionResult]::new('--header', '--header', [CompletionResultType]::ParameterName, 'Additional request header, written NAME: VALUE (repeatable)')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Timeout of one scrape; the default is that of Prometheus')
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'Maximum size of the response body, compressed or decompressed')
            [CompletionResult]::new('--over', '--over', [CompletionResultType]::ParameterName, 'Scrape twice, DURATION apart, and report the difference')
            [CompletionResult]::new('--require', '--require', [CompletionResultType]::ParameterName, 'Fail unless the sum of the matching series meets this condition: family{matchers} OP number. With --over, counters are compared by their increase. For a duration, compare a bucket: {le="5"} (repeatable)')
            [CompletionResult]::new('--filter', '--filter', [CompletionResultType]::ParameterName, 'Show the series whose name{label="value"} matches')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Output format: text, json, or raw (the page itself; the result on stderr)')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('--watch', '--watch', [CompletionResultType]::ParameterName, 'Watch the endpoints live; `aurora metrics watch --help` has its keys and options')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Show every model, not only the 20 with the most requests (json always has all)')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aurora;metrics;watch' {
            [CompletionResult]::new('--token-env', '--token-env', [CompletionResultType]::ParameterName, 'Environment variable that holds the bearer token')
            [CompletionResult]::new('--token-file', '--token-file', [CompletionResultType]::ParameterName, 'File that holds the bearer token')
            [CompletionResult]::new('--header', '--header', [CompletionResultType]::ParameterName, 'Additional request header, written NAME: VALUE (repeatable)')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Timeout of one scrape; the default is that of Prometheus')
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'Maximum size of the response body, compressed or decompressed')
            [CompletionResult]::new('--interval', '--interval', [CompletionResultType]::ParameterName, 'Time between two scrapes, at least 100ms')
            [CompletionResult]::new('--count', '--count', [CompletionResultType]::ParameterName, 'End after N intervals')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Output format: text, or json (one JSON document per line and interval)')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aurora;metrics;list' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Output format: text or json')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aurora;metrics;scrape-config' {
            [CompletionResult]::new('--token-file', '--token-file', [CompletionResultType]::ParameterName, 'File from which Prometheus reads the credential')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aurora;metrics;rules' {
            [CompletionResult]::new('--job', '--job', [CompletionResultType]::ParameterName, 'Job name in the scrape configuration')
            [CompletionResult]::new('--objective', '--objective', [CompletionResultType]::ParameterName, 'Availability objective of the error budget alerts: a percentage from 95 to 99.999')
            [CompletionResult]::new('--runbook-base', '--runbook-base', [CompletionResultType]::ParameterName, 'Address of the published runbook; each alert gets a link to its section')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Output format: prometheus (rule file) or prometheusrule (manifest of the Prometheus Operator)')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aurora;metrics;runbook' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aurora;metrics;dashboard' {
            [CompletionResult]::new('--runbook-base', '--runbook-base', [CompletionResultType]::ParameterName, 'Address of the published runbook; panels link to the sections of their alerts')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aurora;metrics;help' {
            [CompletionResult]::new('probe', 'probe', [CompletionResultType]::ParameterValue, 'Check that metrics endpoints work; summarise their metrics')
            [CompletionResult]::new('watch', 'watch', [CompletionResultType]::ParameterValue, 'Watch metrics endpoints live: rates, errors, latency, tokens')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List every metric: type, unit, labels, buckets, help')
            [CompletionResult]::new('scrape-config', 'scrape-config', [CompletionResultType]::ParameterValue, 'Print the Prometheus scrape configuration of this gateway')
            [CompletionResult]::new('rules', 'rules', [CompletionResultType]::ParameterValue, 'Print the recording rules and alerts')
            [CompletionResult]::new('runbook', 'runbook', [CompletionResultType]::ParameterValue, 'Print what an alert means and what to do')
            [CompletionResult]::new('dashboard', 'dashboard', [CompletionResultType]::ParameterValue, 'Print the Grafana dashboard')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'aurora;metrics;help;probe' {
            break
        }
        'aurora;metrics;help;watch' {
            break
        }
        'aurora;metrics;help;list' {
            break
        }
        'aurora;metrics;help;scrape-config' {
            break
        }
        'aurora;metrics;help;rules' {
            break
        }
        'aurora;metrics;help;runbook' {
            break
        }
        'aurora;metrics;help;dashboard' {
            break
        }
        'aurora;metrics;help;help' {
            break
        }
        'aurora;health' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aurora;completions' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file [default: config.yaml]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File of environment variables [default: .env]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Coloured output: auto, always, never [default: auto]')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'aurora;help' {
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Run the gateway in the foreground (the default command)')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Validate the configuration, or write a first one')
            [CompletionResult]::new('metrics', 'metrics', [CompletionResultType]::ParameterValue, 'Probe and watch metrics; print rules, dashboard and scrape config')
            [CompletionResult]::new('health', 'health', [CompletionResultType]::ParameterValue, 'Check whether the gateway at the configured address is ready')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print a shell completion script')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'aurora;help;serve' {
            break
        }
        'aurora;help;config' {
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Validate the configuration that `serve` loads; print the effective settings')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write a first configuration for the providers whose keys are set')
            break
        }
        'aurora;help;config;check' {
            break
        }
        'aurora;help;config;init' {
            break
        }
        'aurora;help;metrics' {
            [CompletionResult]::new('probe', 'probe', [CompletionResultType]::ParameterValue, 'Check that metrics endpoints work; summarise their metrics')
            [CompletionResult]::new('watch', 'watch', [CompletionResultType]::ParameterValue, 'Watch metrics endpoints live: rates, errors, latency, tokens')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List every metric: type, unit, labels, buckets, help')
            [CompletionResult]::new('scrape-config', 'scrape-config', [CompletionResultType]::ParameterValue, 'Print the Prometheus scrape configuration of this gateway')
            [CompletionResult]::new('rules', 'rules', [CompletionResultType]::ParameterValue, 'Print the recording rules and alerts')
            [CompletionResult]::new('runbook', 'runbook', [CompletionResultType]::ParameterValue, 'Print what an alert means and what to do')
            [CompletionResult]::new('dashboard', 'dashboard', [CompletionResultType]::ParameterValue, 'Print the Grafana dashboard')
            break
        }
        'aurora;help;metrics;probe' {
            break
        }
        'aurora;help;metrics;watch' {
            break
        }
        'aurora;help;metrics;list' {
            break
        }
        'aurora;help;metrics;scrape-config' {
            break
        }
        'aurora;help;metrics;rules' {
            break
        }
        'aurora;help;metrics;runbook' {
            break
        }
        'aurora;help;metrics;dashboard' {
            break
        }
        'aurora;help;health' {
            break
        }
        'aurora;help;completions' {
            break
        }
        'aurora;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
