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
complete -c aurora -n "__fish_aurora_needs_command" -l color -d 'When to colour: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Nowhere'"
complete -c aurora -n "__fish_aurora_needs_command" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_needs_command" -s V -l version -d 'Print version'
complete -c aurora -n "__fish_aurora_needs_command" -f -a "serve" -d 'Run the gateway in the foreground; the default'
complete -c aurora -n "__fish_aurora_needs_command" -f -a "config" -d 'Look at the configuration'
complete -c aurora -n "__fish_aurora_needs_command" -f -a "metrics" -d 'Look at the metrics'
complete -c aurora -n "__fish_aurora_needs_command" -f -a "health" -d 'Ask the configured address whether it is ready'
complete -c aurora -n "__fish_aurora_needs_command" -f -a "completions" -d 'Print a shell\'s completion script'
complete -c aurora -n "__fish_aurora_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aurora -n "__fish_aurora_using_subcommand serve" -l host -d 'Address to listen on, over server.host' -r
complete -c aurora -n "__fish_aurora_using_subcommand serve" -l port -d 'Port to listen on, over server.port; 0 picks a free one' -r
complete -c aurora -n "__fish_aurora_using_subcommand serve" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand serve" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand serve" -l color -d 'When to colour: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Nowhere'"
complete -c aurora -n "__fish_aurora_using_subcommand serve" -l demo -d 'Serve an embedded upstream: no key, no network, on 127.0.0.1'
complete -c aurora -n "__fish_aurora_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aurora -n "__fish_aurora_using_subcommand config; and not __fish_seen_subcommand_from check help" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand config; and not __fish_seen_subcommand_from check help" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand config; and not __fish_seen_subcommand_from check help" -l color -d 'When to colour: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Nowhere'"
complete -c aurora -n "__fish_aurora_using_subcommand config; and not __fish_seen_subcommand_from check help" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand config; and not __fish_seen_subcommand_from check help" -f -a "check" -d 'Validate what `serve` would load and print the effective settings'
complete -c aurora -n "__fish_aurora_using_subcommand config; and not __fish_seen_subcommand_from check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -l format -d 'How to print' -r -f -a "text\t'For people'
json\t'One document'"
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -l allow -d 'Do not fail on this warning; give it once per warning' -r
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -l color -d 'When to colour: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Nowhere'"
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -l strict -d 'Fail on warnings too'
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -l assume-set -d 'Take variables that are not set for set, and list them'
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "check" -d 'Validate what `serve` would load and print the effective settings'
complete -c aurora -n "__fish_aurora_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules dashboard help" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules dashboard help" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules dashboard help" -l color -d 'When to colour: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Nowhere'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules dashboard help" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules dashboard help" -f -a "probe" -d 'Fetch the metrics endpoint and judge it'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules dashboard help" -f -a "list" -d 'Print the metric contract'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules dashboard help" -f -a "scrape-config" -d 'Print what Prometheus needs to scrape this configuration'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules dashboard help" -f -a "rules" -d 'Print the recording rules and alerts'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules dashboard help" -f -a "dashboard" -d 'Print the Grafana dashboard'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and not __fish_seen_subcommand_from probe list scrape-config rules dashboard help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l token-env -d 'Send the bearer token in this environment variable' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l token-file -d 'Send the bearer token in this file' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l header -d 'Send a header (repeatable)' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l over -d 'Scrape twice, this far apart, and report what happened in between' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l require -d 'Fail unless this holds: family{matchers} OP number, over the sum of the matching series; with --over, over what counters grew by; a limit for durations is the upper edge of a bucket, {le="5"} (repeatable)' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l filter -d 'Show the series that match, as name{label="value"}' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l format -d 'For people, as one document, or the page itself with the verdict on stderr' -r -f -a "text\t''
json\t''
raw\t''"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l timeout -d 'Time for one fetch; Prometheus\' own default' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l max-size -d 'Largest page, received or decompressed' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -l color -d 'When to colour: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Nowhere'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from probe" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from list" -l format -d 'text or json' -r -f -a "text\t'Aligned, for people'
json\t'One document'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from list" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from list" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from list" -l color -d 'When to colour: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Nowhere'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from scrape-config" -l token-file -d 'File in which Prometheus finds the credential' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from scrape-config" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from scrape-config" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from scrape-config" -l color -d 'When to colour: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Nowhere'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from scrape-config" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -l job -d 'Name of the scrape job' -r
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -l format -d 'prometheus: a rule file; prometheusrule: a manifest of the Prometheus Operator' -r -f -a "prometheus\t'As `rule_files` of Prometheus names it'
prometheusrule\t'A `PrometheusRule`'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -l color -d 'When to colour: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Nowhere'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from rules" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from dashboard" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from dashboard" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from dashboard" -l color -d 'When to colour: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Nowhere'"
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from dashboard" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from help" -f -a "probe" -d 'Fetch the metrics endpoint and judge it'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from help" -f -a "list" -d 'Print the metric contract'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from help" -f -a "scrape-config" -d 'Print what Prometheus needs to scrape this configuration'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from help" -f -a "rules" -d 'Print the recording rules and alerts'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from help" -f -a "dashboard" -d 'Print the Grafana dashboard'
complete -c aurora -n "__fish_aurora_using_subcommand metrics; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aurora -n "__fish_aurora_using_subcommand health" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand health" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand health" -l color -d 'When to colour: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Nowhere'"
complete -c aurora -n "__fish_aurora_using_subcommand health" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand completions" -s c -l config -d 'Configuration file [default: config.yaml]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand completions" -l env-file -d 'File of environment variables [default: .env]' -r -F
complete -c aurora -n "__fish_aurora_using_subcommand completions" -l color -d 'When to colour: auto, always, never [default: auto]' -r -f -a "auto\t'On a terminal, unless the environment asks for none'
always\t'Even in a pipe'
never\t'Nowhere'"
complete -c aurora -n "__fish_aurora_using_subcommand completions" -s h -l help -d 'Print help'
complete -c aurora -n "__fish_aurora_using_subcommand help; and not __fish_seen_subcommand_from serve config metrics health completions help" -f -a "serve" -d 'Run the gateway in the foreground; the default'
complete -c aurora -n "__fish_aurora_using_subcommand help; and not __fish_seen_subcommand_from serve config metrics health completions help" -f -a "config" -d 'Look at the configuration'
complete -c aurora -n "__fish_aurora_using_subcommand help; and not __fish_seen_subcommand_from serve config metrics health completions help" -f -a "metrics" -d 'Look at the metrics'
complete -c aurora -n "__fish_aurora_using_subcommand help; and not __fish_seen_subcommand_from serve config metrics health completions help" -f -a "health" -d 'Ask the configured address whether it is ready'
complete -c aurora -n "__fish_aurora_using_subcommand help; and not __fish_seen_subcommand_from serve config metrics health completions help" -f -a "completions" -d 'Print a shell\'s completion script'
complete -c aurora -n "__fish_aurora_using_subcommand help; and not __fish_seen_subcommand_from serve config metrics health completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Validate what `serve` would load and print the effective settings'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from metrics" -f -a "probe" -d 'Fetch the metrics endpoint and judge it'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from metrics" -f -a "list" -d 'Print the metric contract'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from metrics" -f -a "scrape-config" -d 'Print what Prometheus needs to scrape this configuration'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from metrics" -f -a "rules" -d 'Print the recording rules and alerts'
complete -c aurora -n "__fish_aurora_using_subcommand help; and __fish_seen_subcommand_from metrics" -f -a "dashboard" -d 'Print the Grafana dashboard'
