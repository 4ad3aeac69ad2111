# Types a line into an interactive bash or zsh, presses Tab (in bash twice, to list), and prints what the terminal showed, with the line
# at last between <line> and </line>. Arguments: bash or zsh, the folder of the completion scripts, the line.
zmodload zsh/zpty || exit 2
export TERM=dumb
case $1 in
    bash)
        tabs=$'\t\t'
        zpty shell bash --norc --noprofile -i
        zpty -w shell "PS1=; source ${(q)2}/aurora.bash; bind 'set completion-query-items 0'; bind 'set page-completions off'"
        zpty -w shell "bind -x '\"\\C-t\": printf \"<line>%s</line>\" \"\$READLINE_LINE\"'"
        ;;
    zsh)
        tabs=$'\t'
        zpty shell zsh -f -i
        zpty -w shell "PROMPT=; fpath=(${(q)2} \$fpath); autoload -U compinit; compinit -u -D"
        zpty -w shell 'finish() { print -r -- "<line>$BUFFER</line>" }; zle -N finish; bindkey "^T" finish; bindkey "^I" complete-word'
        ;;
esac
zpty -w shell 'stty rows 500 cols 250; printf "REA%s\n" DY'
zpty -r -m shell shown '*READY*' || exit 3
zpty -w -n shell "$3$tabs"$'\C-T'
zpty -r -m shell shown '*<line>*</line>*' || exit 4
zpty -d shell
print -r -- "$shown"
