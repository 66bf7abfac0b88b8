// SPDX-License-Identifier: BSD-2-Clause
#include "http_call.h"
#include "../check.h"

#include "test_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t on_data(char *bytes, size_t size, size_t count, void *state)
{
    struct call *call = state;
    size_t length = size * count;
    if (length > sizeof(call->answer) - 1 - call->answer_length)
        return 0;
    memcpy(call->answer + call->answer_length, bytes, length);
    call->answer_length += length;
    return length;
}

static size_t on_more_body(char *bytes, size_t size, size_t count, void *state)
{
    struct call *call = state;
    size_t length = size * count < call->body_length ? size * count : call->body_length;
    memcpy(bytes, call->body, length);
    call->body += length;
    call->body_length -= length;
    return length;
}

static void set_body(CURL *curl, struct call *call, struct curl_slist **headers)
{
    (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
    if (call->chunked) {
        *headers = curl_slist_append(*headers, "Transfer-Encoding: chunked");
        (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_more_body);
        (void)curl_easy_setopt(curl, CURLOPT_READDATA, call);
    } else {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)call->body_length);
    }
}

static void run_call(void *state)
{
    struct call *call = state;
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "X-Test: here");
    (void)curl_easy_setopt(curl, CURLOPT_URL, call->url);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, 25L);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
    if (call->header != NULL) {
        char *line = NULL;
        if (asprintf(&line, "X-Pad: %s", call->header) > 0)
            headers = curl_slist_append(headers, line);
        free(line);
    }
    if (call->body != NULL)
        set_body(curl, call, &headers);
    if (call->pin != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, call->pin);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    call->result = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &call->status);
    char *type = NULL;
    (void)curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    (void)snprintf(call->type, sizeof(call->type), "%s", type == NULL ? "" : type);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    (void)uv_async_send(&call->finished);
}

static void on_finished(uv_async_t *async)
{
    ((struct call *)async->data)->done = true;
}

uv_thread_t call_begin(struct call *call, struct node *node, const struct endpoint *server,
                       const char *path)
{
    char text[ENDPOINT_TEXT_MAX];
    (void)snprintf(call->url, sizeof(call->url), "%s://%s%s", call->pin != NULL ? "https" : "http",
                   endpoint_print(server, text), path);
    (void)uv_async_init(node_loop(node), &call->finished, on_finished);
    call->finished.data = call;
    uv_thread_t thread;
    assert_int_equal(uv_thread_create(&thread, run_call, call), 0);
    return thread;
}

void call_finish(struct call *call, struct node *node, uv_thread_t thread)
{
    test_run_until(node, &call->done);
    (void)uv_thread_join(&thread);
    uv_close((uv_handle_t *)&call->finished, NULL);
    (void)uv_run(node_loop(node), UV_RUN_NOWAIT);
}
