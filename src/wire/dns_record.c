// SPDX-License-Identifier: BSD-2-Clause
#include "wire/dns_record.h"

#include <string.h>

static bool is_host_octet(uint8_t octet)
{
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
           (octet >= '0' && octet <= '9') || octet == '-' || octet == '_';
}

// Reads a name without compression, to its end.
static bool read_name(struct reader *reader, char text[DNS_NAME_TEXT_MAX])
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t length = reader_u8(reader); length > 0; length = reader_u8(reader)) {
        const uint8_t *label = reader_take(reader, length);
        if (label == NULL || length >= DNS_LABEL_TEXT_MAX || used + length + 2 > DNS_NAME_TEXT_MAX)
            return false;
        if (used > 0)
            text[used++] = '.';
        for (size_t i = 0; i < length; i++) {
            if (!is_host_octet(label[i]))
                return false;
            text[used++] = (char)label[i];
        }
        text[used] = '\0';
    }
    return !reader->failed;
}

bool dns_srv_decode(const uint8_t *bytes, size_t length, struct dns_srv *srv)
{
    struct reader reader = reader_over(bytes, length);
    srv->priority = reader_u16(&reader);
    (void)reader_u16(&reader); // weight: response times decide
    srv->port = reader_u16(&reader);
    return read_name(&reader, srv->target) && reader_left(&reader) == 0;
}

bool dns_txt_next(struct reader *reader, const char **text, size_t *length)
{
    if (reader->failed || reader_left(reader) == 0)
        return false;
    *length = reader_u8(reader);
    *text = (const char *)reader_take(reader, *length);
    return *text != NULL;
}

bool dns_address_decode(enum dns_type type, const uint8_t *bytes, size_t length,
                        struct address *address)
{
    enum family family = type == DNS_A ? FAMILY_IPV4 : FAMILY_IPV6;
    if (length != family_octets(family))
        return false;
    *address = address_from_octets(family, bytes);
    return true;
}

bool dns_label_valid(const char *text, size_t length)
{
    if (length == 0 || length >= DNS_LABEL_TEXT_MAX || text[0] == '-' || text[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_host_octet((uint8_t)text[i]) || text[i] == '_')
            return false;
    return true;
}

bool dns_name_valid(const char *text)
{
    for (;;) {
        size_t length = strcspn(text, ".");
        if (!dns_label_valid(text, length))
            return false;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}
