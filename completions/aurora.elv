
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
            cand --color 'When to colour: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
            cand serve 'Run the gateway in the foreground; the default'
            cand config 'Look at the configuration'
            cand metrics 'Look at the metrics'
            cand health 'Ask the configured address whether it is ready'
            cand completions 'Print a shell''s completion script'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aurora;serve'= {
            cand --host 'Address to listen on, over server.host'
            cand --port 'Port to listen on, over server.port; 0 picks a free one'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'When to colour: auto, always, never [default: auto]'
            cand --demo 'Serve an embedded upstream: no key, no network, on 127.0.0.1'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aurora;config'= {
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'When to colour: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand check 'Validate what `serve` would load and print the effective settings'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aurora;config;check'= {
            cand --format 'How to print'
            cand --allow 'Do not fail on this warning; give it once per warning'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'When to colour: auto, always, never [default: auto]'
            cand --strict 'Fail on warnings too'
            cand --assume-set 'Take variables that are not set for set, and list them'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aurora;config;help'= {
            cand check 'Validate what `serve` would load and print the effective settings'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aurora;config;help;check'= {
        }
        &'aurora;config;help;help'= {
        }
        &'aurora;metrics'= {
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'When to colour: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
            cand probe 'Fetch the metrics endpoint and judge it'
            cand list 'Print the metric contract'
            cand scrape-config 'Print what Prometheus needs to scrape this configuration'
            cand rules 'Print the recording rules and alerts'
            cand dashboard 'Print the Grafana dashboard'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aurora;metrics;probe'= {
            cand --token-env 'Send the bearer token in this environment variable'
            cand --token-file 'Send the bearer token in this file'
            cand --header 'Send a header (repeatable)'
            cand --over 'Scrape twice, this far apart, and report what happened in between'
            cand --require 'Fail unless this holds: family{matchers} OP number, over the sum of the matching series; with --over, over what counters grew by; a limit for durations is the upper edge of a bucket, {le="5"} (repeatable)'
            cand --filter 'Show the series that match, as name{label="value"}'
            cand --format 'For people, as one document, or the page itself with the verdict on stderr'
            cand --timeout 'Time for one fetch; Prometheus'' own default'
            cand --max-size 'Largest page, received or decompressed'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'When to colour: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;metrics;list'= {
            cand --format 'text or json'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'When to colour: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;metrics;scrape-config'= {
            cand --token-file 'File in which Prometheus finds the credential'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'When to colour: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;metrics;rules'= {
            cand --job 'Name of the scrape job'
            cand --format 'prometheus: a rule file; prometheusrule: a manifest of the Prometheus Operator'
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'When to colour: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;metrics;dashboard'= {
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'When to colour: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;metrics;help'= {
            cand probe 'Fetch the metrics endpoint and judge it'
            cand list 'Print the metric contract'
            cand scrape-config 'Print what Prometheus needs to scrape this configuration'
            cand rules 'Print the recording rules and alerts'
            cand dashboard 'Print the Grafana dashboard'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aurora;metrics;help;probe'= {
        }
        &'aurora;metrics;help;list'= {
        }
        &'aurora;metrics;help;scrape-config'= {
        }
        &'aurora;metrics;help;rules'= {
        }
        &'aurora;metrics;help;dashboard'= {
        }
        &'aurora;metrics;help;help'= {
        }
        &'aurora;health'= {
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'When to colour: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;completions'= {
            cand -c 'Configuration file [default: config.yaml]'
            cand --config 'Configuration file [default: config.yaml]'
            cand --env-file 'File of environment variables [default: .env]'
            cand --color 'When to colour: auto, always, never [default: auto]'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'aurora;help'= {
            cand serve 'Run the gateway in the foreground; the default'
            cand config 'Look at the configuration'
            cand metrics 'Look at the metrics'
            cand health 'Ask the configured address whether it is ready'
            cand completions 'Print a shell''s completion script'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aurora;help;serve'= {
        }
        &'aurora;help;config'= {
            cand check 'Validate what `serve` would load and print the effective settings'
        }
        &'aurora;help;config;check'= {
        }
        &'aurora;help;metrics'= {
            cand probe 'Fetch the metrics endpoint and judge it'
            cand list 'Print the metric contract'
            cand scrape-config 'Print what Prometheus needs to scrape this configuration'
            cand rules 'Print the recording rules and alerts'
            cand dashboard 'Print the Grafana dashboard'
        }
        &'aurora;help;metrics;probe'= {
        }
        &'aurora;help;metrics;list'= {
        }
        &'aurora;help;metrics;scrape-config'= {
        }
        &'aurora;help;metrics;rules'= {
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
