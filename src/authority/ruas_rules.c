// SPDX-License-Identifier: BSD-2-Clause
// The rules of a set that can be checked before the mapping engine is asked: who may change what,
// and where it may be mapped to.
#include "authority/ruas_state.h"

static bool check_scope(const struct grant *grant, const struct command *command,
                        struct error *error)
{
    if (grant->scope == SCOPE_READ)
        return error_set(error, ERROR_DENIED, "scope",
                         "this token may only read; a %s needs one with scope \"%s\"",
                         command_kind_name(command->kind),
                         command->kind == COMMAND_MAP ? "map" : "all");
    if (grant->scope == SCOPE_MAP && command->kind != COMMAND_MAP)
        return error_set(error, ERROR_DENIED, "scope",
                         "this token may only map existing micronets; a %s needs one with scope "
                         "\"all\"",
                         command_kind_name(command->kind));
    if (grant->limited && !range_contains(&grant->only, &command->micronet)) {
        char text[RANGE_TEXT_MAX];
        char only_text[RANGE_TEXT_MAX];
        return error_set(
            error, ERROR_DENIED, "outside-token", "%s is not inside %s, all that this token is for",
            range_print(&command->micronet, text), range_print(&grant->only, only_text));
    }
    return true;
}

// The MAB that holds all of the command's range.
static bool find_mab(const struct ruas *ruas, const struct range *range, size_t *mab,
                     struct error *error)
{
    char text[RANGE_TEXT_MAX];
    char mab_text[PREFIX_TEXT_MAX];
    uint32_t number = 0;
    struct address first = unit_address(range->family, range->start);
    if (!mab_table_find(ruas->mab_table, &first, &number))
        return error_set(error, ERROR_NOT_FOUND, "not-your-mab",
                         "%s is in no MAB of this RUAS; look for the RUAS that handles it",
                         range_print(range, text));
    const struct mapping *mapping = ruas->mabs[number].mapping;
    if (!range_contains(mapping_units(mapping), range))
        return error_set(error, ERROR_INPUT, "several-mabs", "%s reaches outside the MAB %s",
                         range_print(range, text), prefix_print(mapping_mab(mapping), mab_text));
    *mab = number;
    return true;
}

static bool check_same_mab(const struct ruas *ruas, size_t first, size_t other, struct error *error)
{
    char first_text[PREFIX_TEXT_MAX];
    char other_text[PREFIX_TEXT_MAX];
    if (first == other)
        return true;
    return error_set(error, ERROR_INPUT, "several-mabs",
                     "a set lies in one MAB, and this one begins in %s and goes on in %s; send a "
                     "set for each",
                     prefix_print(mapping_mab(ruas->mabs[first].mapping), first_text),
                     prefix_print(mapping_mab(ruas->mabs[other].mapping), other_text));
}

static bool has_etr(const struct command *command)
{
    return command->kind == COMMAND_MAP || command->kind == COMMAND_DEFINE;
}

static bool check_command(struct ruas *ruas, const struct grant *grant, struct command *command,
                          size_t *mab, struct error *error)
{
    return command_check(command, error) && check_scope(grant, command, error) &&
           find_mab(ruas, &command->micronet, mab, error) &&
           delegation_check(ruas->delegation, grant->user, &command->micronet, error) != NULL &&
           (!has_etr(command) || etr_policy_check(&ruas->etr_policy, &command->etr, error));
}

bool ruas_check_set(struct ruas *ruas, const struct grant *grant, struct command_set *set,
                    size_t *mab, size_t *failed, struct error *error)
{
    *failed = set->count;
    if (set->count == 0)
        return error_set(error, ERROR_INPUT, "empty-set", "there is no command in this set");
    for (size_t i = 0; i < set->count; i++) {
        size_t other = 0;
        *failed = i;
        if (!check_command(ruas, grant, &set->commands[i], &other, error))
            return false;
        if (i == 0)
            *mab = other;
        else if (!check_same_mab(ruas, *mab, other, error))
            return false;
    }
    return command_set_translate(set, &ruas->updates, failed, error);
}
