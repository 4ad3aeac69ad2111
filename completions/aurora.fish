# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_aurora_global_optspecs
    string join \n c/config= env-file= color= h/help V/version
end

function __fish_aurora_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_aurora_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_aurora_using_subcommand
    set -l cmd (__fish_aurora_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c aurora -n "__fish_aurora_needs_command" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_needs_command" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_needs_command" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_needs_command" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_needs_command" -s V -l version -d 'Print version'
complete -c aurora -n "__fish_aurora_needs_command" -f -a "serve" -d 'Run the gateway in the foreground (the default command)'
complete -c aurora -n "__fish_aurora_needs_command" -f -a "config" -d 'Validate the configuration, or write a first one'
complete -c aurora -n "__fish_aurora_needs_command" -f -a "metrics" -d 'Probe and list metrics; print rules, dashboard and scrape config'
complete -c aurora -n "__fish_aurora_needs_command" -f -a "health" -d 'Check whether the gateway at the configured address is ready'
complete -c aurora -n "__fish_aurora_needs_command" -f -a "completions" -d 'Print a shell completion script'
complete -c aurora -n "__fish_aurora_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aurora -n "__fish_aurora_using_subcommand serve" -l host -d 'Address to listen on; overrides server.host' -r
complete -c aurora -n "__fish_aurora_using_subcommand serve" -l port -d 'Port to listen on; overrides server.port; 0 picks a free port' -r
complete -c aurora -n "__fish_aurora_using_subcommand serve" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand serve" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand serve" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_using_subcommand serve" -l demo -d 'Run with an embedded upstream on 127.0.0.1: no API key, no network'
complete -c aurora -n "__fish_aurora_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aurora -n "__fish_aurora_using_subcommand config; and not __fish_seen_subcommand_from check init help" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand config; and not __fish_seen_subcommand_from check init help" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand config; and not __fish_seen_subcommand_from check init help" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_using_subcommand config; and not __fish_seen_subcommand_from check init help" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand config; and not __fish_seen_subcommand_from check init help" -f -a "check" -d 'Validate the configuration that `serve` loads; print the effective settings'
complete -c aurora -n "__fish_aurora_using_subcommand config; and not __fish_seen_subcommand_from check init help" -f -a "init" -d 'Write a first configuration for the providers whose keys are set'
complete -c aurora -n "__fish_aurora_using_subcommand config; and not __fish_seen_subcommand_from check init help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -l format -d 'Output format' -r -f -a "text\t'Human-readable text'
json\t'One JSON document'"
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -l allow -d 'Ignore the warning with this ID under --strict (repeatable)' -r -f -a "ambiguous-variables\t''
anthropic-base-url\t''
bad-network\t''
closed-metrics\t''
demo-provider-only\t''
descriptor-limit\t''
doubled-path\t''
duplicate-model\t''
empty-variable\t''
insecure-base-url\t''
no-base-url\t''
no-env-file\t''
no-key\t''
no-master-key\t''
no-models\t''
no-provider\t''
open-metrics\t''
placeholder-key\t''
quoted-key\t''
readable-key\t''
short-key\t''
short-master-key\t''
short-metrics-token\t''
small-body-memory\t''
spaced-model\t''
target-is-route\t''
target-left-out\t''
token-is-master-key\t''
trailing-slash\t''
unknown-variable\t''
unset-key\t''
unsupported-section\t''
unused-price\t''"
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -l all -d 'Show every setting, not only those that differ from their defaults'
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -l strict -d 'Fail on warnings as well as errors'
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -l assume-set -d 'Treat unset variables as set, and list them'
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from init" -l dir -d 'Folder to write to; it is created if need be' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from init" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from init" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from init" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "check" -d 'Validate the configuration that `serve` loads; print the effective settings'
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "init" -d 'Write a first configuration for the providers whose keys are set'
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules runbook dashboard help" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules runbook dashboard help" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules runbook dashboard help" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules runbook dashboard help" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules runbook dashboard help" -f -a "probe" -d 'Check that metrics endpoints work; summarise their metrics'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules runbook dashboard help" -f -a "list" -d 'List every metric: type, unit, labels, buckets, help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules runbook dashboard help" -f -a "scrape-config" -d 'Print the Prometheus scrape configuration of this gateway'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules runbook dashboard help" -f -a "rules" -d 'Print the recording rules and alerts'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules runbook dashboard help" -f -a "runbook" -d 'Print what an alert means and what to do'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules runbook dashboard help" -f -a "dashboard" -d 'Print the Grafana dashboard'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules runbook dashboard help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l token-env -d 'Environment variable that holds the bearer token' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l token-file -d 'File that holds the bearer token' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l header -d 'Additional request header, written NAME: VALUE (repeatable)' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l over -d 'Scrape twice, DURATION apart, and report the difference' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l require -d 'Fail unless the sum of the matching series meets this condition: family{matchers} OP number. With --over, counters are compared by their increase. For a duration, compare a bucket: {le="5"} (repeatable)' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l filter -d 'Show the series whose name{label="value"} matches' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l format -d 'Output format: text, json, or raw (the page itself; the result on stderr)' -r -f -a "text\t''
json\t''
raw\t''"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l timeout -d 'Timeout of one scrape; the default is that of Prometheus' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l max-size -d 'Maximum size of the response body, compressed or decompressed' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l all -d 'Show every model, not only the 20 with the most requests (json always has all)'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from list" -l format -d 'Output format: text or json' -r -f -a "text\t'Aligned columns'
json\t'One JSON document'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from list" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from list" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from list" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from scrape-config" -l token-file -d 'File from which Prometheus reads the credential' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from scrape-config" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from scrape-config" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from scrape-config" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from scrape-config" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -l job -d 'Job name in the scrape configuration' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -l objective -d 'Availability objective of the error budget alerts: a percentage from 95 to 99.999' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -l runbook-base -d 'Address of the published runbook; each alert gets a link to its section' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -l format -d 'Output format: prometheus (rule file) or prometheusrule (manifest of the Prometheus Operator)' -r -f -a "prometheus\t'A file for `rule_files` of Prometheus'
prometheusrule\t'A `PrometheusRule`'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from runbook" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from runbook" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from runbook" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from runbook" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from dashboard" -l runbook-base -d 'Address of the published runbook; panels link to the sections of their alerts' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from dashboard" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from dashboard" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from dashboard" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from dashboard" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from help" -f -a "probe" -d 'Check that metrics endpoints work; summarise their metrics'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from help" -f -a "list" -d 'List every metric: type, unit, labels, buckets, help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from help" -f -a "scrape-config" -d 'Print the Prometheus scrape configuration of this gateway'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from help" -f -a "rules" -d 'Print the recording rules and alerts'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from help" -f -a "runbook" -d 'Print what an alert means and what to do'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from help" -f -a "dashboard" -d 'Print the Grafana dashboard'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aurora -n "__fish_aurora_using_subcommand health" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand health" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand health" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_using_subcommand health" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand completions" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand completions" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand completions" -l color -d 'Coloured output: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Never'"
complete -c aurora -n "__fish_aurora_using_subcommand completions" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand help; and not __fish_seen_subcommand_from serve config metrics health completions help" -f -a "serve" -d 'Run the gateway in the foreground (the default command)'
complete -c aurora -n "__fish_aurora_using_subcommand help; and not __fish_seen_subcommand_from serve config metrics health completions help" -f -a "config" -d 'Validate the configuration, or write a first one'
complete -c aurora -n "__fish_aurora_using_subcommand help; and not __fish_seen_subcommand_from serve config metrics health completions help" -f -a "metrics" -d 'Probe and list metrics; print rules, dashboard and scrape config'
complete -c aurora -n "__fish_aurora_using_subcommand help; and not __fish_seen_subcommand_from serve config metrics health completions help" -f -a "health" -d 'Check whether the gateway at the configured address is ready'
complete -c aurora -n "__fish_aurora_using_subcommand help; and not __fish_seen_subcommand_from serve config metrics health completions help" -f -a "completions" -d 'Print a shell completion script'
complete -c aurora -n "__fish_aurora_using_subcommand help; and not __fish_seen_subcommand_from serve config metrics health completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Validate the configuration that `serve` loads; print the effective settings'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "init" -d 'Write a first configuration for the providers whose keys are set'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from metrics" -f -a "probe" -d 'Check that metrics endpoints work; summarise their metrics'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from metrics" -f -a "list" -d 'List every metric: type, unit, labels, buckets, help'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from metrics" -f -a "scrape-config" -d 'Print the Prometheus scrape configuration of this gateway'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from metrics" -f -a "rules" -d 'Print the recording rules and alerts'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from metrics" -f -a "runbook" -d 'Print what an alert means and what to do'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from metrics" -f -a "dashboard" -d 'Print the Grafana dashboard'
