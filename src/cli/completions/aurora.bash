# Completion of aurora in bash. The candidates come from `aurora __complete`, already quoted.
_aurora() {
    local candidate files= program=${1/#\~\//$HOME/}
    COMPREPLY=()
    while IFS= read -r candidate; do
        if [[ $candidate == :files ]]; then
            files=1
        else
            COMPREPLY+=("$candidate")
        fi
    done < <("$program" __complete bash "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    if [[ -z $files ]]; then
        compopt +o default 2>/dev/null
    fi
}

# Without :files, the files of the shell would be offered where nothing fits.
complete -o default -F _aurora aurora
