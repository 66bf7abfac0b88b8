// SPDX-License-Identifier: BSD-2-Clause
#include "wire/mab_page.h"

#include "base/range.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static_assert(MAB_PAGE_NAME_CHARACTERS * 5 == 8 * MAB_PAGE_NAME_OCTETS,
              "80 bits make whole characters");

static const char alphabet[] = "0123456789abcdefghijklmnopqrstuv";

void mab_page_name_unpack(const uint8_t octets[MAB_PAGE_NAME_OCTETS],
                          char name[MAB_PAGE_NAME_TEXT_MAX])
{
    unsigned bits = 0;
    unsigned held = 0;
    size_t next = 0;
    for (size_t i = 0; i < MAB_PAGE_NAME_CHARACTERS; i++) {
        if (held < 5) {
            bits = bits << 8 | octets[next++];
            held += 8;
        }
        held -= 5;
        name[i] = alphabet[bits >> held & 31];
    }
    name[MAB_PAGE_NAME_CHARACTERS] = '\0';
}

void mab_page_name_pack(const char *name, uint8_t octets[MAB_PAGE_NAME_OCTETS])
{
    unsigned bits = 0;
    unsigned held = 0;
    size_t next = 0;
    for (size_t i = 0; i < MAB_PAGE_NAME_CHARACTERS; i++) {
        const char *digit = strchr(alphabet, name[i]);
        assert(name[i] != '\0' && digit != NULL);
        bits = bits << 5 | (unsigned)(digit - alphabet);
        held += 5;
        if (held >= 8) {
            held -= 8;
            octets[next++] = (uint8_t)(bits >> held);
        }
    }
    assert(next == MAB_PAGE_NAME_OCTETS && held == 0);
}

void mab_page_name(const uint8_t *bytes, size_t length, char name[MAB_PAGE_NAME_TEXT_MAX])
{
    uint8_t digest[crypto_generichash_BYTES];
    (void)crypto_generichash(digest, sizeof(digest), bytes, length, NULL, 0);
    mab_page_name_unpack(digest, name);
}

bool mab_page_name_decode(const char *text, size_t length, char name[MAB_PAGE_NAME_TEXT_MAX])
{
    if (length != MAB_PAGE_NAME_CHARACTERS)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\0' || strchr(alphabet, text[i]) == NULL)
            return false;
        name[i] = text[i];
    }
    name[length] = '\0';
    return true;
}

static bool has_key(const char *text, size_t length, const char *key, const char **value,
                    size_t *value_length)
{
    size_t key_length = strlen(key);
    if (length < key_length || memcmp(text, key, key_length) != 0)
        return false;
    *value = text + key_length;
    *value_length = length - key_length;
    return true;
}

bool mab_root_decode(const uint8_t *bytes, size_t length, struct mab_root *root)
{
    struct reader reader = reader_over(bytes, length);
    const char *text;
    const char *value;
    size_t size;
    size_t value_size;
    bool version = false;
    bool level = false;
    bool page = false;
    while (dns_txt_next(&reader, &text, &size)) {
        if (has_key(text, size, "v=", &value, &value_size)) {
            version = value_size == 5 && memcmp(value, "ivip1", 5) == 0;
        } else if (has_key(text, size, "level=", &value, &value_size)) {
            level = value_size == 1 && value[0] >= '0' && value[0] <= '0' + MAB_PAGE_LEVEL_MAX;
            root->level = level ? (unsigned)(value[0] - '0') : 0;
        } else if (has_key(text, size, "page=", &value, &value_size)) {
            page = mab_page_name_decode(value, value_size, root->page);
        }
    }
    return !reader.failed && version && level && page;
}

bool mab_entry_decode(const char *text, size_t length, struct mab_entry *entry)
{
    const char *blank = memchr(text, ' ', length);
    if (blank == NULL || (size_t)(blank - text) >= PREFIX_TEXT_MAX)
        return false;
    char prefix[PREFIX_TEXT_MAX];
    memcpy(prefix, text, (size_t)(blank - text));
    prefix[blank - text] = '\0';
    size_t label = length - (size_t)(blank - text) - 1;
    bool refused = label == 1 && blank[1] == '-';
    struct range units;
    if ((!refused && !dns_label_valid(blank + 1, label)) ||
        !prefix_parse(prefix, &entry->prefix, NULL) ||
        (!refused && !mab_check(&entry->prefix, &units, NULL)))
        return false;
    entry->number = 0;
    mab_entry_dsoc(text, length, entry->dsoc);
    return true;
}

void mab_entry_dsoc(const char *text, size_t length, char dsoc[DNS_LABEL_TEXT_MAX])
{
    const char *blank = memchr(text, ' ', length);
    assert(blank != NULL);
    size_t label = length - (size_t)(blank - text) - 1;
    assert(label < DNS_LABEL_TEXT_MAX);
    memset(dsoc, 0, DNS_LABEL_TEXT_MAX);
    memcpy(dsoc, blank + 1, label);
}

int mab_entry_compare(const struct mab_entry *a, const struct mab_entry *b)
{
    int order = address_compare(&a->prefix.address, &b->prefix.address);
    if (order != 0)
        return order;
    return (int)a->prefix.length - (int)b->prefix.length;
}
