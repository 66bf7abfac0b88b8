# SPDX-License-Identifier: BSD-2-Clause
# Completion for bash. It asks the program itself, so it never falls behind.

_ivip()
{
    local word=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]} command=${COMP_WORDS[1]}
    if [ "$COMP_CWORD" -eq 1 ] || { [ "$COMP_CWORD" -eq 2 ] && [ "$command" = help ]; }; then
        local commands
        commands=$("$program" help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$commands help" -- "$word")
    elif [[ $word == -* ]]; then
        local options
        options=$("$program" help "$command" 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    else
        case $command in
        user) mapfile -t COMPREPLY < <(compgen -W "add list password remove" -- "$word") ;;
        uab) mapfile -t COMPREPLY < <(compgen -W "add list remove" -- "$word") ;;
        token) mapfile -t COMPREPLY < <(compgen -W "add list revoke" -- "$word") ;;
        schedule) mapfile -t COMPREPLY < <(compgen -W "all cancel list" -- "$word") ;;
        run | check | apply | doctor | snapshot | zone)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            ;;
        esac
    fi
}
complete -F _ivip ivip
