# Completion of aurora in fish. The candidates come from `aurora __complete`, each with its help after a tab.
function __aurora_complete
    set -l words (commandline -opc)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    command -q $program; or return
    # An open quote is no word to unescape.
    set -l current (commandline -ct | string replace -r '^[\'"]' '' | string unescape)
    set -l candidates ($program __complete fish $words "$current" 2>/dev/null)
    if contains -- :files $candidates
        __fish_complete_path "$current"
    else
        string join \n -- $candidates
    end
end

complete -c aurora -f -a '(__aurora_complete)'
