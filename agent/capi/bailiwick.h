/*
 * Bailiwick agent for firmware written in C: the attester and the enforcement point of docs/protocol.md.
 *
 * Build the library with Go and a C compiler for the device, for example
 *
 *     go build -tags capi -buildmode=c-archive -o libbailiwick.a ./agent/capi
 *     CC=aarch64-linux-android30-clang GOOS=android GOARCH=arm64 CGO_ENABLED=1 \
 *         go build -tags capi -buildmode=c-shared -o libbailiwick.so ./agent/capi
 *
 * and include this file; the header that Go generates is not needed. Link a c-archive with -lpthread. (The NDK also wants -llog.)
 *
 * A life, with the transport in your hands (HTTP as docs/protocol.md, section 1, writes it):
 *
 *     bw_open(&platform, &agent, &out);
 *     if (!bw_enrolled(agent)) {
 *         GET  /v1/epoch                         -> answer
 *         bw_enrolment(agent, answer, n, &out)   -> POST /v1/enrol, then bw_accept_enrolment(agent, answer, n, &out)
 *     }
 *     bw_observe(agent, "{\"cell\":\"262-01\"}", &out);      a few times a day
 *     bw_evidence(agent, &out)                   -> POST /v1/check-in, then bw_accept(agent, answer, n, &out)
 *     bw_tick(agent, &out);                      after boot, every quarter of an hour, when the wall clock was set
 *     bw_screen(agent, &out);                    what to show, after each of these
 *     bw_close(agent);
 *
 * RESULTS. Every function returns a bw_status. What it says beside that goes to `out`: bytes that the library allocates and
 * that bw_free releases, terminated by a 0 that `len` does not count. When the status is not BW_OK, `out` has an English text
 * that says what is wrong. `out` may be NULL when you do not want to know. A call overwrites `out` without releasing
 * it: call bw_free between two uses.
 *
 * JSON is written as package agent/lines documents it: UTF-8, one object, members that you do not know are to be passed over.
 *
 * THREADS. Every function may be called from any thread at any time; calls for one agent wait for each other. Your callbacks
 * are called on the thread that called the library, inside that call, never two at a time for one agent; they must not
 * call the library for the same agent (it would wait for itself), and must return soon. A callback of one agent may run while
 * one of another agent does. bw_close waits for nobody: do not call it while another thread is in a call for that agent; what
 * is called afterwards returns BW_HANDLE. The library starts threads of Go's runtime, which block no signals of yours but
 * install handlers for SIGSEGV, SIGBUS, SIGFPE and SIGPROF that pass on what is not Go's (see os/signal, "Go programs that use cgo").
 * Do not fork without exec after the first call.
 *
 * MEMORY. The library keeps no pointer that you pass, but for the functions in bw_platform and its ctx, which must live until
 * bw_close. Callbacks get pointers that are valid during the call only.
 */
#ifndef BAILIWICK_H
#define BAILIWICK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BW_VERSION 2 /* of this interface; bw_platform begins with it. 2 added officers_root; a platform of version 1 is taken still */

typedef enum bw_status {
    BW_OK = 0,
    BW_FAILED = 1,           /* see the text: bad input, or a callback failed; nothing changed unless the text says so */
    BW_HANDLE = 2,           /* no such agent, or it was closed */
    BW_NOT_ENROLLED = 3,     /* enrol first */
    BW_ALREADY_ENROLLED = 4, /* and whom it trusts is set for life */
    BW_NO_EPOCH = 5,         /* GET /v1/epoch, then bw_set_epoch with the epoch in it */
    BW_DAMAGED = 6,          /* bw_open: the record is not whole, or not this device's: restrict nothing, tell the owner, enrol again */
    BW_NOTHING_TO_UNLOCK = 7, /* bw_enter_code: nothing restricts the device; the code is not spent */
    BW_NO_CODE = 8           /* bw_enter_code: the text is not eight digits; it costs nothing */
} bw_status;

typedef enum bw_boot { BW_BOOT_UNKNOWN = 0, BW_BOOT_VERIFIED = 1, BW_BOOT_CUSTOM = 2, BW_BOOT_UNLOCKED = 3 } bw_boot;

/* An agent. 0 is none; numbers are not used again. */
typedef uint64_t bw_agent;

/* Bytes from the library. Initialise it with {0}. */
typedef struct bw_bytes {
    uint8_t *data;
    size_t len;
} bw_bytes;

/*
 * What the agent needs of the device. Every callback gets ctx. Those that return int return 0 when they did it, and anything
 * else when not; those that fill a buffer write at most cap bytes and put how many into *len.
 */
typedef struct bw_platform {
    uint32_t version; /* BW_VERSION */
    void *ctx;

    /* The record. load returns 0 with *len = 0 when nothing was ever saved; when cap is too small it sets *len to the size,
     * writes nothing, returns 0, and is called again. save is atomic and durable before it returns 0: a power cut leaves the old
     * record or the new one, whole. (Write beside it, fsync, rename, fsync the folder.) A record has at most 640 KiB. */
    int (*load)(void *ctx, uint8_t *buffer, size_t cap, size_t *len);
    int (*save)(void *ctx, const uint8_t *record, size_t len);

    /* Signs with the attestation key, the one in the first certificate: with P-256 the 32 bytes are a SHA-256 digest and the
     * signature is ASN.1 DER, at most 72 bytes; with Ed25519 they are the whole message and the signature has 64 bytes. */
    int (*sign)(void *ctx, const uint8_t *message, size_t len, uint8_t *signature, size_t cap, size_t *signature_len);

    int64_t (*now)(void *ctx);    /* wall clock, Unix seconds; may be wrong by any amount */
    int64_t (*uptime)(void *ctx); /* milliseconds since boot, sleep included; within one boot it never goes back */
    /* Another one after every boot, 1 to 64 bytes, such as /proc/sys/kernel/random/boot_id. */
    int (*boot_id)(void *ctx, char *buffer, size_t cap, size_t *len);
    bw_boot (*boot_state)(void *ctx);
    /* Fills the buffer from a cryptographic source. NULL: the operating system's. */
    int (*random)(void *ctx, uint8_t *buffer, size_t len);

    /* A monotonic counter that nobody can set back (TPM, RPMB, secure element), to detect records that were rolled back. Both or
     * neither; they need state_key. advance raises it to `to`, durably; at or above it already, it does nothing. */
    int (*counter_read)(void *ctx, uint64_t *value);
    int (*counter_advance)(void *ctx, uint64_t to);

    /* 32 to 64 secret bytes that authenticate the record, the same for life; NULL without. adopt_plain, not 0, takes a record over
     * from before there was a key. */
    const uint8_t *state_key;
    size_t state_key_len;
    int adopt_plain;

    /* The certificates of the key, DER, the device's first: 1 to 8. */
    const bw_bytes *chain;
    size_t chain_len;

    /* UTF-8, terminated by 0. imei has 15 digits; the others at most 64 characters, and may be NULL but for software. */
    const char *imei, *serial, *model;
    const char *software; /* your firmware's name for this agent */

    /* Since version 2. The root metadata of the officers (TUF, the bytes of the server's /metadata/1.root.json), built into the firmware: the device
     * enrols only where two of them signed the policy. NULL: the first root that the server tells is believed, once. */
    const uint8_t *officers_root;
    size_t officers_root_len;
} bw_platform;

#ifndef BW_NO_PROTOTYPES /* for the library itself, where Go writes them without const */

/* Opens the agent's record, or begins one, and saves nothing. On BW_OK *agent is the agent. */
bw_status bw_open(const bw_platform *platform, bw_agent *agent, bw_bytes *out);
void bw_close(bw_agent agent);
/* Releases what the library put into *bytes, and empties it. Empty ones, and NULL, are fine. */
void bw_free(bw_bytes *bytes);

/* 1 when the device belongs to a fleet, 0 when not or when there is no such agent. */
int bw_enrolled(bw_agent agent);
/* The answer of GET /v1/epoch in, the body for POST /v1/enrol out. */
bw_status bw_enrolment(bw_agent agent, const uint8_t *epoch_answer, size_t len, bw_bytes *out);
bw_status bw_accept_enrolment(bw_agent agent, const uint8_t *answer, size_t len, bw_bytes *out);

/* What the device sees now: {"gnss":{"lat":23.1,"lon":-82.4,"accuracy_m":20},"cell":"368-01","sim":"368-01","wifi":"CU"}, each
 * member optional. Coordinates are assessed and dropped. */
bw_status bw_observe(bw_agent agent, const char *json, bw_bytes *out);
/* The body for POST /v1/check-in. After BW_NO_EPOCH, or the problem "epoch-expired": bw_set_epoch, then again, once. */
bw_status bw_evidence(bw_agent agent, bw_bytes *out);
/* A raw epoch of 8 to 64 bytes, decoded from a problem document. */
bw_status bw_set_epoch(bw_agent agent, const uint8_t *epoch, size_t len, bw_bytes *out);
/* The raw epoch in the answer of GET /v1/epoch. */
bw_status bw_set_epoch_answer(bw_agent agent, const uint8_t *epoch_answer, size_t len, bw_bytes *out);
/* The answer to evidence. Out: {"applied":[id],"refused":[{"order":id,"reason":"…"}],"next_check_in":"2026-03-02T09:00:00Z"}.
 * Orders that are refused are no failure. */
bw_status bw_accept(bw_agent agent, const uint8_t *answer, size_t len, bw_bytes *out);
/* A lift without a network: the text of its QR code as the camera gave it (without a zero byte behind it), or the bytes of a file.
 * Out: as bw_accept. */
bw_status bw_accept_lift(bw_agent agent, const uint8_t *sealed, size_t len, bw_bytes *out);

bw_status bw_tick(bw_agent agent, bw_bytes *out);
/* The owner saw the screen with its notices and their dates. */
bw_status bw_shown(bw_agent agent, bw_bytes *out);
/* Out: what to show now, JSON. "stage" is observed, noticed, locked or lifted; every way in "way_out" works in every stage. */
bw_status bw_screen(bw_agent agent, bw_bytes *out);
/* An unlock code as typed. Out: {"unlocked":true,"lifted":["rule:cuba"]} or {"unlocked":false,"wait_s":5}. It is BW_OK when the
 * code was looked at, or came too early; and when it was right, although the result could not be saved. */
bw_status bw_enter_code(bw_agent agent, const char *code, bw_bytes *out);
/* When to check in next, Unix seconds by your wall clock; now or earlier when it is due. */
bw_status bw_next_check_in(bw_agent agent, int64_t *at);

#endif

#ifdef __cplusplus
}
#endif
#endif
