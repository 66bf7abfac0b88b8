// SPDX-License-Identifier: BSD-2-Clause
#include "authority/user_lists.h"

#include "authority/account.h"
#include "base/memory.h"

#include <assert.h>
#include <string.h>

struct user_list {
    struct table_node node;
    char user[USER_NAME_MAX];
    struct list_node head;
};

void user_lists_init(struct user_lists *lists, struct random_source *random)
{
    table_init(&lists->lists);
    random_bytes(random, lists->key.bytes, sizeof(lists->key.bytes));
}

void user_lists_release(struct user_lists *lists)
{
    assert(table_next(&lists->lists, NULL) == NULL);
    table_release(&lists->lists);
}

static bool match_user(const struct table_node *node, const void *user)
{
    return strcmp(container_of(node, struct user_list, node)->user, user) == 0;
}

static uint64_t hash_user(const struct user_lists *lists, const char *user)
{
    return hash_bytes(&lists->key, user, strlen(user));
}

static struct user_list *find_list(const struct user_lists *lists, const char *user)
{
    struct table_node *node = table_find(&lists->lists, hash_user(lists, user), match_user, user);
    return node == NULL ? NULL : container_of(node, struct user_list, node);
}

struct list_node *user_lists_open(struct user_lists *lists, const char *user)
{
    struct user_list *list = find_list(lists, user);
    if (list == NULL) {
        size_t length = strlen(user);
        assert(length < USER_NAME_MAX);
        list = memory_new(sizeof(*list));
        memcpy(list->user, user, length);
        list_init(&list->head);
        table_insert(&lists->lists, &list->node, hash_user(lists, user));
    }
    return &list->head;
}

void user_lists_leave(struct user_lists *lists, const char *user, struct list_node *node)
{
    struct user_list *list = find_list(lists, user);
    assert(list != NULL);
    list_remove(node);
    if (!list_empty(&list->head))
        return;
    table_remove(&lists->lists, &list->node);
    memory_free(list);
}

struct list_node *user_lists_next(const struct user_lists *lists, const char *user,
                                  const struct list_node *node)
{
    const struct user_list *list = find_list(lists, user);
    if (list == NULL)
        return NULL;
    struct list_node *next = node == NULL ? list->head.next : node->next;
    return next == &list->head ? NULL : next;
}
