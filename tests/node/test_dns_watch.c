// SPDX-License-Identifier: BSD-2-Clause
// What is said in the log of how DNS answers, line by line.
#include "../check.h"
#include "node/query/dns_watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct place {
    struct dns_watch watch;
    struct instant now;
    int log; // standard error, for as long as the test runs
    int standard_error;
    off_t read;
};

static int set_up(void **state)
{
    static struct place place;
    place = (struct place){.watch.part = "test", .now = {1}};
    place.log = memfd_create("log", MFD_CLOEXEC);
    place.standard_error = dup(STDERR_FILENO);
    assert_true(place.log >= 0 && place.standard_error >= 0);
    assert_int_equal(dup2(place.log, STDERR_FILENO), STDERR_FILENO);
    *state = &place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    (void)dup2(place->standard_error, STDERR_FILENO);
    (void)close(place->standard_error);
    (void)close(place->log);
    return 0;
}

// Notes an answer; gives what was then said, or "".
static const char *note(struct place *place, const char *name, enum dns_outcome outcome)
{
    static char line[1024];
    struct dns_question question = {.type = DNS_SRV};
    (void)snprintf(question.name, sizeof(question.name), "%s", name);
    dns_watch_note(&place->watch, place->now, &question, outcome);
    ssize_t got = pread(place->log, line, sizeof(line) - 1, place->read);
    assert_true(got >= 0);
    line[got] = '\0';
    place->read += got;
    return line;
}

#define SAID(text, part) assert_non_null(strstr(text, part))

static void test_changes_are_said_once(void **state)
{
    struct place *place = *state;
    SAID(note(place, "a", DNS_SECURE), "DNS answers for a,");
    assert_string_equal(note(place, "a", DNS_NOTHING), "");
    assert_string_equal(note(place, "b", DNS_SECURE), "");
    SAID(note(place, "a", DNS_BOGUS), "no good answer for a (bogus)");
    assert_string_equal(note(place, "a", DNS_BOGUS), "");
    SAID(note(place, "a", DNS_FAILED), "no good answer for a (failed)");
    SAID(note(place, "a", DNS_SECURE), "DNS answers for a,");
    assert_string_equal(note(place, "a", DNS_SECURE), "");
}

// Of one name that has no good answer is spoken once, whatever the others have.
static void test_one_bad_name_among_good_ones(void **state)
{
    struct place *place = *state;
    SAID(note(place, "good", DNS_SECURE), "DNS answers for good,");
    SAID(note(place, "bad", DNS_BOGUS), "no good answer for bad");
    for (unsigned i = 0; i < 10; i++) {
        assert_string_equal(note(place, "good", DNS_SECURE), "");
        assert_string_equal(note(place, "bad", DNS_BOGUS), "");
    }
    SAID(note(place, "bad", DNS_SECURE), "DNS answers for bad,");
}

// Where DNS is down, one line says so, and one that it is back.
static void test_all_bad(void **state)
{
    struct place *place = *state;
    SAID(note(place, "a", DNS_FAILED), "no good answer for a");
    assert_string_equal(note(place, "b", DNS_FAILED), "");
    assert_string_equal(note(place, "c", DNS_FAILED), "");
    assert_string_equal(note(place, "b", DNS_SECURE), "");
    SAID(note(place, "a", DNS_SECURE), "DNS answers for a,");
}

// A name that is not asked for any more does not keep others from being complained about.
static void test_a_name_that_went(void **state)
{
    struct place *place = *state;
    SAID(note(place, "gone", DNS_BOGUS), "no good answer for gone");
    place->now = instant_add(place->now, duration_s(DNS_WATCH_FORGETS_SECONDS - 1));
    assert_string_equal(note(place, "other", DNS_BOGUS), "");
    place->now = instant_add(place->now, duration_s(1));
    SAID(note(place, "other", DNS_BOGUS), "no good answer for other");
    SAID(note(place, "other", DNS_SECURE), "DNS answers for other,");
}

static void test_unsigned_answers(void **state)
{
    struct place *place = *state;
    place->watch.takes_unsigned = true;
    SAID(note(place, "a", DNS_INSECURE), "DNS answers for a,");
    place->watch.takes_unsigned = false;
    SAID(note(place, "a", DNS_INSECURE), "no good answer for a (insecure)");
    assert_string_equal(dns_watch_last(&place->watch), "insecure");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_changes_are_said_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_bad_name_among_good_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_name_that_went, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unsigned_answers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
