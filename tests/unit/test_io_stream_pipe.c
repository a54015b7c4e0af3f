/*
 * Streams over pipes and sockets: whole transfers, closed ends, and being stopped.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "support/unit.h"

#define BIG_BYTES ((size_t)3 << 20)

/* The other end of a stream, in a thread: it moves bytes in pieces, and dawdles. */
struct peer {
    pthread_t thread;
    int fd; /* closed by the thread at the end */
    uint8_t *bytes;
    size_t len, piece;
    useconds_t pause; /* before each piece */
    bool writes;
    size_t done;
};

static void *run_peer(void *context)
{
    struct peer *peer = context;

    while (peer->done < peer->len) {
        size_t step = peer->len - peer->done < peer->piece ? peer->len - peer->done : peer->piece;
        ssize_t n;

        if (peer->pause)
            usleep(peer->pause);
        n = peer->writes ? write(peer->fd, peer->bytes + peer->done, step)
                         : read(peer->fd, peer->bytes + peer->done, step);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        peer->done += (size_t)n;
    }
    close(peer->fd);
    return NULL;
}

static void start_peer(struct peer *peer)
{
    ck_assert_int_eq(pthread_create(&peer->thread, NULL, run_peer, peer), 0);
}

static void join_peer(struct peer *peer)
{
    ck_assert_int_eq(pthread_join(peer->thread, NULL), 0);
    ck_assert_uint_eq(peer->done, peer->len);
}

static uint8_t *random_bytes(size_t len)
{
    struct unit_random random = {len};
    uint8_t *bytes = malloc(len);

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)unit_random(&random);
    return bytes;
}

static struct io_stream *adopt(int fd)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io_stream *stream = NULL;

    ck_assert_msg(io_stream_adopt(&stream, fd, &error) == QED_OK, "%s", error.text);
    return stream;
}

static void make_pipe(int ends[2])
{
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
}

/* Read all that a peer writes in pieces, and a short rest at the end. */
static void read_from_peer(int fd, int peer_fd, size_t piece, useconds_t pause)
{
    size_t len = 300007, got;
    uint8_t *read_back = malloc(len + 100);
    struct peer peer = {.fd = peer_fd,
                        .bytes = random_bytes(len),
                        .len = len,
                        .piece = piece,
                        .pause = pause,
                        .writes = true};
    struct io_stream *stream = adopt(fd);

    ck_assert_ptr_nonnull(read_back);
    start_peer(&peer);
    ck_assert_int_eq(io_stream_read(stream, read_back, 200000, &got, NULL), QED_OK);
    ck_assert_uint_eq(got, 200000);
    ck_assert_int_eq(io_stream_read(stream, read_back + got, len - got + 100, &got, NULL), QED_OK);
    ck_assert_uint_eq(got, len - 200000);
    ck_assert(memcmp(read_back, peer.bytes, len) == 0);
    ck_assert_int_eq(io_stream_read(stream, read_back, 1, &got, NULL), QED_OK);
    ck_assert_uint_eq(got, 0);
    join_peer(&peer);
    io_stream_close(stream);
    free(peer.bytes);
    free(read_back);
}

START_TEST(what_comes_in_pieces_is_read_whole)
{
    int ends[2];

    make_pipe(ends);
    read_from_peer(ends[0], ends[1], 4097, 500);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    read_from_peer(ends[0], ends[1], 50000, 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    read_from_peer(ends[0], ends[1], 30000, 1000);
    make_pipe(ends);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    read_from_peer(ends[0], ends[1], 30000, 1000);
}
END_TEST

static void write_to_peer(int fd, int peer_fd)
{
    struct peer peer = {
        .fd = peer_fd, .bytes = malloc(BIG_BYTES), .len = BIG_BYTES, .piece = 70001, .pause = 200};
    uint8_t *bytes = random_bytes(BIG_BYTES);
    struct io_stream *stream = adopt(fd);

    ck_assert_ptr_nonnull(peer.bytes);
    start_peer(&peer);
    ck_assert_int_eq(io_stream_write(stream, bytes, BIG_BYTES, NULL), QED_OK);
    ck_assert_int_eq(io_stream_flush(stream, NULL), QED_OK);
    ck_assert_uint_eq(io_stream_offset(stream), BIG_BYTES);
    io_stream_close(stream);
    join_peer(&peer);
    ck_assert(memcmp(bytes, peer.bytes, BIG_BYTES) == 0);
    free(bytes);
    free(peer.bytes);
}

START_TEST(what_is_taken_in_pieces_is_written_whole)
{
    int ends[2];

    make_pipe(ends);
    write_to_peer(ends[1], ends[0]);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    write_to_peer(ends[0], ends[1]);
    make_pipe(ends);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    write_to_peer(ends[1], ends[0]);
}
END_TEST

static void on_alarm(int number)
{
    (void)number;
}

START_TEST(signals_do_not_cut_transfers_short)
{
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = on_alarm}, before; /* without SA_RESTART */
    int ends[2];

    ck_assert_int_eq(sigaction(SIGALRM, &action, &before), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    make_pipe(ends);
    read_from_peer(ends[0], ends[1], 30011, 3000);
    make_pipe(ends);
    write_to_peer(ends[1], ends[0]);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    ck_assert_int_eq(sigaction(SIGALRM, &before, NULL), 0);
}
END_TEST

START_TEST(others_who_have_the_pipe_do_not_see_it_changed)
{
    int ends[2], copy;
    struct io_stream *stream;

    make_pipe(ends);
    copy = dup(ends[0]);
    ck_assert_int_ge(copy, 0);
    stream = adopt(ends[0]);
    ck_assert_int_eq(fcntl(copy, F_GETFL) & O_NONBLOCK, 0);
    io_stream_close(stream);
    close(copy);
    close(ends[1]);
}
END_TEST

START_TEST(pipes_are_made_as_large_as_may_be)
{
    int ends[2], plain[2], allowed;
    struct io_stream *stream;

    make_pipe(plain);
    allowed = fcntl(plain[0], F_SETPIPE_SZ, 1 << 20);
    close(plain[0]);
    close(plain[1]);
    make_pipe(ends);
    stream = adopt(ends[1]);
    if (allowed > 0)
        ck_assert_int_eq(fcntl(ends[0], F_GETPIPE_SZ), allowed);
    else
        ck_assert_int_gt(fcntl(ends[0], F_GETPIPE_SZ), 0);
    io_stream_close(stream);
    close(ends[0]);
}
END_TEST

START_TEST(an_output_that_nobody_reads_any_more_has_an_error_of_its_own)
{
    struct qed_error error = QED_ERROR_INIT;
    uint8_t bytes[16];
    int ends[2];

    for (int i = 0; i < 2; i++) {
        struct io_stream *stream;

        if (i == 0)
            make_pipe(ends);
        else
            ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        stream = adopt(ends[1]);
        ck_assert_int_eq(io_stream_write(stream, "abc", 3, NULL), QED_OK);
        ck_assert_int_eq(read(ends[0], bytes, 3), 3);
        close(ends[0]);
        ck_assert_int_eq(io_stream_write(stream, "abc", 3, &error), QED_ERR_PIPE);
        ck_assert_int_eq(error.code, QED_ERR_PIPE);
        ck_assert_int_eq(error.sys_errno, EPIPE);
        ck_assert_ptr_nonnull(strstr(error.text, "not read any further after 3 bytes"));
        ck_assert_uint_eq(io_stream_offset(stream), 3);
        io_stream_close(stream);
    }
}
END_TEST

START_TEST(a_named_pipe_is_a_stream)
{
    struct io_stream *stream = NULL;
    struct peer peer = {
        .bytes = random_bytes(100000), .len = 100000, .piece = 5000, .writes = true};
    uint8_t *bytes = malloc(100001);
    size_t got;

    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(mkfifo("pipe", 0600), 0);
    peer.fd = open("pipe", O_RDWR | O_CLOEXEC); /* the other end is there at once */
    ck_assert_int_ge(peer.fd, 0);
    ck_assert_int_eq(io_stream_open_read(&stream, "pipe", NULL), QED_OK);
    start_peer(&peer);
    ck_assert_int_eq(io_stream_read(stream, bytes, 100001, &got, NULL), QED_OK);
    ck_assert_uint_eq(got, 100000);
    ck_assert(memcmp(bytes, peer.bytes, got) == 0);
    join_peer(&peer);
    io_stream_close(stream);
    free(peer.bytes);
    free(bytes);
}
END_TEST

static bool stop_after(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

/* A transfer on fd that would wait for ever ends when the caller wants to stop. */
static void stop_transfer(int fd, bool writes)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io_stream *stream = adopt(fd);
    uint8_t *bytes = random_bytes(BIG_BYTES);
    int left = 3;
    size_t got;

    io_stream_set_stop(stream, stop_after, &left);
    ck_assert_int_eq(writes ? io_stream_write(stream, bytes, BIG_BYTES, &error)
                            : io_stream_read(stream, bytes, BIG_BYTES, &got, &error),
                     QED_ERR_STOPPED);
    ck_assert_str_eq(error.text, "interrupted");
    ck_assert_int_eq(left, -1);
    io_stream_close(stream);
    free(bytes);
}

START_TEST(a_wait_for_the_other_end_can_be_stopped)
{
    int ends[2];

    make_pipe(ends);
    stop_transfer(ends[0], false);
    close(ends[1]);
    make_pipe(ends);
    stop_transfer(ends[1], true);
    close(ends[0]);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    stop_transfer(ends[0], true);
    close(ends[1]);
}
END_TEST

static void *cancel_soon(void *stream)
{
    usleep(20000);
    io_stream_cancel(stream);
    return NULL;
}

START_TEST(a_wait_in_another_thread_can_be_cancelled)
{
    struct io_stream *stream;
    pthread_t thread;
    uint8_t byte;
    size_t got;
    int ends[2];

    make_pipe(ends);
    stream = adopt(ends[0]);
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_soon, stream), 0);
    ck_assert_int_eq(io_stream_read(stream, &byte, 1, &got, NULL), QED_ERR_STOPPED);
    ck_assert_uint_eq(got, 0);
    ck_assert_int_eq(io_stream_read(stream, &byte, 1, &got, NULL), QED_ERR_STOPPED);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    io_stream_close(stream);
    close(ends[1]);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_stream_pipe");

    signal(SIGPIPE, SIG_IGN);
    unit_use_folder(tests);
    tcase_add_test(tests, what_comes_in_pieces_is_read_whole);
    tcase_add_test(tests, what_is_taken_in_pieces_is_written_whole);
    tcase_add_test(tests, signals_do_not_cut_transfers_short);
    tcase_add_test(tests, others_who_have_the_pipe_do_not_see_it_changed);
    tcase_add_test(tests, pipes_are_made_as_large_as_may_be);
    tcase_add_test(tests, an_output_that_nobody_reads_any_more_has_an_error_of_its_own);
    tcase_add_test(tests, a_named_pipe_is_a_stream);
    tcase_add_test(tests, a_wait_for_the_other_end_can_be_stopped);
    tcase_add_test(tests, a_wait_in_another_thread_can_be_cancelled);
    return unit_run(tests);
}
