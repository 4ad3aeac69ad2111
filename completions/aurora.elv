
use builtin;
use str;

set edit:completion:arg-completer[aurora] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'aurora'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'aurora'= {
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
            cand serve 'Run the gateway in the foreground (the default command)'
            cand config 'Validate the configuration, or write a first one'
            cand metrics 'Probe and watch metrics; print rules, dashboard and scrape config'
            cand health 'Check whether the gateway at the configured address is ready'
            cand completions 'Print a shell completion script'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aurora;serve'= {
            cand --host 'Address to listen on; overrides server.host'
            cand --port 'Port to listen on; overrides server.port; 0 picks a free port'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand --demo 'Run with an embedded upstream on 127.0.0.1: no API key, no network'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aurora;config'= {
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand check 'Validate the configuration that `serve` loads; print the effective settings'
            cand init 'Write a first configuration for the providers whose keys are set'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aurora;config;check'= {
            cand --format 'Output format'
            cand --allow 'Ignore the warning with this ID under --strict (repeatable)'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand --all 'Show every setting, not only those that differ from their defaults'
            cand --strict 'Fail on warnings as well as errors'
            cand --assume-set 'Treat unset variables as set, and list them'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aurora;config;init'= {
            cand --dir 'Folder to write to; it is created if need be'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;config;help'= {
            cand check 'Validate the configuration that `serve` loads; print the effective settings'
            cand init 'Write a first configuration for the providers whose keys are set'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aurora;config;help;check'= {
        }
        &'aurora;config;help;init'= {
        }
        &'aurora;config;help;help'= {
        }
        &'aurora;metrics'= {
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand probe 'Check that metrics endpoints work; summarise their metrics'
            cand watch 'Watch metrics endpoints live: rates, errors, latency, tokens'
            cand list 'List every metric: type, unit, labels, buckets, help'
            cand scrape-config 'Print the Prometheus scrape configuration of this gateway'
            cand rules 'Print the recording rules and alerts'
            cand runbook 'Print what an alert means and what to do'
            cand dashboard 'Print the Grafana dashboard'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aurora;metrics;probe'= {
            cand --token-env 'Environment variable that holds the bearer token'
            cand --token-file 'File that holds the bearer token'
            cand --header 'Additional request header, written NAME: VALUE (repeatable)'
            cand --timeout 'Timeout of one scrape; the default is that of Prometheus'
            cand --max-size 'Maximum size of the response body, compressed or decompressed'
            cand --over 'Scrape twice, DURATION apart, and report the difference'
            cand --require 'Fail unless the sum of the matching series meets this condition: family{matchers} OP number. With --over, counters are compared by their increase. For a duration, compare a bucket: {le="5"} (repeatable)'
            cand --filter 'Show the series whose name{label="value"} matches'
            cand --format 'Output format: text, json, or raw (the page itself; the result on stderr)'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand --watch 'Watch the endpoints live; `aurora metrics watch --help` has its keys and options'
            cand --all 'Show every model, not only the 20 with the most requests (json always has all)'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;metrics;watch'= {
            cand --token-env 'Environment variable that holds the bearer token'
            cand --token-file 'File that holds the bearer token'
            cand --header 'Additional request header, written NAME: VALUE (repeatable)'
            cand --timeout 'Timeout of one scrape; the default is that of Prometheus'
            cand --max-size 'Maximum size of the response body, compressed or decompressed'
            cand --interval 'Time between two scrapes, at least 100ms'
            cand --count 'End after N intervals'
            cand --format 'Output format: text, or json (one JSON document per line and interval)'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;metrics;list'= {
            cand --format 'Output format: text or json'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;metrics;scrape-config'= {
            cand --token-file 'File from which Prometheus reads the credential'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;metrics;rules'= {
            cand --job 'Job name in the scrape configuration'
            cand --objective 'Availability objective of the error budget alerts: a percentage from 95 to 99.999'
            cand --runbook-base 'Address of the published runbook; each alert gets a link to its section'
            cand --format 'Output format: prometheus (rule file) or prometheusrule (manifest of the Prometheus Operator)'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;metrics;runbook'= {
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;metrics;dashboard'= {
            cand --runbook-base 'Address of the published runbook; panels link to the sections of their alerts'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;metrics;help'= {
            cand probe 'Check that metrics endpoints work; summarise their metrics'
            cand watch 'Watch metrics endpoints live: rates, errors, latency, tokens'
            cand list 'List every metric: type, unit, labels, buckets, help'
            cand scrape-config 'Print the Prometheus scrape configuration of this gateway'
            cand rules 'Print the recording rules and alerts'
            cand runbook 'Print what an alert means and what to do'
            cand dashboard 'Print the Grafana dashboard'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aurora;metrics;help;probe'= {
        }
        &'aurora;metrics;help;watch'= {
        }
        &'aurora;metrics;help;list'= {
        }
        &'aurora;metrics;help;scrape-config'= {
        }
        &'aurora;metrics;help;rules'= {
        }
        &'aurora;metrics;help;runbook'= {
        }
        &'aurora;metrics;help;dashboard'= {
        }
        &'aurora;metrics;help;help'= {
        }
        &'aurora;health'= {
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;completions'= {
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'Coloured output: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;help'= {
            cand serve 'Run the gateway in the foreground (the default command)'
            cand config 'Validate the configuration, or write a first one'
            cand metrics 'Probe and watch metrics; print rules, dashboard and scrape config'
            cand health 'Check whether the gateway at the configured address is ready'
            cand completions 'Print a shell completion script'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aurora;help;serve'= {
        }
        &'aurora;help;config'= {
            cand check 'Validate the configuration that `serve` loads; print the effective settings'
            cand init 'Write a first configuration for the providers whose keys are set'
        }
        &'aurora;help;config;check'= {
        }
        &'aurora;help;config;init'= {
        }
        &'aurora;help;metrics'= {
            cand probe 'Check that metrics endpoints work; summarise their metrics'
            cand watch 'Watch metrics endpoints live: rates, errors, latency, tokens'
            cand list 'List every metric: type, unit, labels, buckets, help'
            cand scrape-config 'Print the Prometheus scrape configuration of this gateway'
            cand rules 'Print the recording rules and alerts'
            cand runbook 'Print what an alert means and what to do'
            cand dashboard 'Print the Grafana dashboard'
        }
        &'aurora;help;metrics;probe'= {
        }
        &'aurora;help;metrics;watch'= {
        }
        &'aurora;help;metrics;list'= {
        }
        &'aurora;help;metrics;scrape-config'= {
        }
        &'aurora;help;metrics;rules'= {
        }
        &'aurora;help;metrics;runbook'= {
        }
        &'aurora;help;metrics;dashboard'= {
        }
        &'aurora;help;health'= {
        }
        &'aurora;help;completions'= {
        }
        &'aurora;help;help'= {
        }
    ]
    $completions[$command]
}
