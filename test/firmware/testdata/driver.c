/*
 * A firmware in C: it enrols a device, lives through notice and lock, and takes a lift from a file, all through bailiwick.h.
 *
 *     driver PORT FOLDER
 *
 * On PORT is one HTTP server: /v1/... is the authority's, /lab/... plays the hardware and the world for this program: the secure
 * element (/lab/sign), the clocks (/lab/clock), the factory's certificates (/lab/chain/N), the passing of days (/lab/day), officers.
 * It ends with 0 when everything was as it must be, and says on standard error what was not.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bailiwick.h"

#define LARGEST (1 << 20)
#define CHECK(what)                                                                     \
    do {                                                                                \
        if (!(what)) {                                                                  \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #what);                  \
            exit(1);                                                                    \
        }                                                                               \
    } while (0)

static const char *place =
    "{\"gnss\":{\"lat\":35.6944,\"lon\":51.4215,\"accuracy_m\":15},\"cell\":\"432-11\",\"sim\":\"432-11\",\"wifi\":\"IR\"}";

struct phone {
    int port;
    char folder[512];
    int64_t now, uptime;
    uint64_t counter;
    int calls; /* callbacks that run now; the agent never makes two at a time */
};

/* ---- HTTP/1.0 on loopback ---- */

static void send_all(int s, const void *data, size_t n) {
    const char *at = data;
    while (n > 0) {
        ssize_t sent = send(s, at, n, 0);
        CHECK(sent > 0);
        at += sent;
        n -= (size_t)sent;
    }
}

/* Returns the status; the body is in answer, which holds LARGEST bytes. */
static int http(const struct phone *p, const char *method, const char *path, const char *type, const void *body, size_t n,
                uint8_t *answer, size_t *answered) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)p->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(s >= 0 && connect(s, (struct sockaddr *)&to, sizeof to) == 0);
    char head[512];
    int h = snprintf(head, sizeof head, "%s %s HTTP/1.0\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                     method, path, type, n);
    CHECK(h > 0 && (size_t)h < sizeof head);
    send_all(s, head, (size_t)h);
    send_all(s, body, n);
    static __thread uint8_t raw[LARGEST + 4096];
    size_t got = 0;
    for (;;) {
        ssize_t r = recv(s, raw + got, sizeof raw - 1 - got, 0);
        CHECK(r >= 0);
        if (r == 0) break;
        got += (size_t)r;
        CHECK(got < sizeof raw - 1);
    }
    close(s);
    raw[got] = 0;
    int status = 0;
    CHECK(sscanf((char *)raw, "HTTP/1.%*d %d", &status) == 1);
    uint8_t *start = (uint8_t *)strstr((char *)raw, "\r\n\r\n");
    CHECK(start != NULL);
    start += 4;
    *answered = got - (size_t)(start - raw);
    CHECK(*answered <= LARGEST);
    memcpy(answer, start, *answered);
    return status;
}

static uint8_t body[LARGEST];
static size_t body_len;

static void lab(struct phone *p, const char *path) {
    CHECK(http(p, "POST", path, "text/plain", "", 0, body, &body_len) == 200);
    body[body_len] = 0;
}

static void read_clocks(struct phone *p, const char *path) {
    long long now = 0, uptime = 0;
    lab(p, path);
    CHECK(sscanf((char *)body, "%lld %lld", &now, &uptime) == 2);
    p->now = now;
    p->uptime = uptime;
}

/* ---- The platform ---- */

static void enter(struct phone *p) { CHECK(__sync_add_and_fetch(&p->calls, 1) == 1); }
static int leave(struct phone *p, int result) {
    __sync_sub_and_fetch(&p->calls, 1);
    return result;
}

static int load(void *ctx, uint8_t *buffer, size_t cap, size_t *len) {
    struct phone *p = ctx;
    enter(p);
    char path[600];
    snprintf(path, sizeof path, "%s/record", p->folder);
    FILE *f = fopen(path, "rb");
    *len = 0;
    if (f == NULL) return leave(p, 0);
    *len = fread(buffer, 1, cap, f);
    int whole = fgetc(f) == EOF;
    fclose(f);
    return leave(p, whole ? 0 : 1);
}

static int save(void *ctx, const uint8_t *record, size_t len) {
    struct phone *p = ctx;
    enter(p);
    char path[600], beside[610];
    snprintf(path, sizeof path, "%s/record", p->folder);
    snprintf(beside, sizeof beside, "%s.new", path);
    int f = open(beside, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (f < 0) return leave(p, 1);
    int bad = write(f, record, len) != (ssize_t)len || fsync(f) != 0;
    bad = close(f) != 0 || bad;
    return leave(p, bad || rename(beside, path) != 0);
}

static int sign(void *ctx, const uint8_t *message, size_t len, uint8_t *signature, size_t cap, size_t *signature_len) {
    struct phone *p = ctx;
    enter(p);
    static uint8_t answer[LARGEST];
    size_t n = 0;
    int status = http(p, "POST", "/lab/sign", "application/octet-stream", message, len, answer, &n);
    if (status != 200 || n > cap) return leave(p, 1);
    memcpy(signature, answer, n);
    *signature_len = n;
    return leave(p, 0);
}

static int64_t now(void *ctx) { return ((struct phone *)ctx)->now; }
static int64_t uptime(void *ctx) { return ((struct phone *)ctx)->uptime; }
static int boot_id(void *ctx, char *buffer, size_t cap, size_t *len) {
    (void)ctx;
    CHECK(cap >= 6);
    memcpy(buffer, "boot-1", 6);
    *len = 6;
    return 0;
}
static bw_boot boot_state(void *ctx) { (void)ctx; return BW_BOOT_VERIFIED; }
static int counter_read(void *ctx, uint64_t *value) { *value = ((struct phone *)ctx)->counter; return 0; }
static int counter_advance(void *ctx, uint64_t to) {
    struct phone *p = ctx;
    if (to > p->counter) p->counter = to;
    return 0;
}

/* ---- The life ---- */

static bw_bytes out;

static void ok(bw_status s) {
    if (s != BW_OK) {
        fprintf(stderr, "status %d: %s\n", (int)s, out.data == NULL ? "" : (char *)out.data);
        exit(1);
    }
}

/* Whether the agent's screen shows a stage of its strictest ground. */
static int shows(bw_agent a, const char *stage) {
    char begin[64];
    snprintf(begin, sizeof begin, "{\"stage\":\"%s\"", stage);
    bw_free(&out);
    ok(bw_screen(a, &out));
    CHECK(strlen((char *)out.data) == out.len && strstr((char *)out.data, "\"emergency-call\"") != NULL);
    return strncmp((char *)out.data, begin, strlen(begin)) == 0;
}

static void enrol(struct phone *p, bw_agent a) {
    CHECK(bw_enrolled(a) == 0);
    CHECK(bw_evidence(a, &out) == BW_NOT_ENROLLED);
    bw_free(&out);
    CHECK(http(p, "GET", "/v1/epoch", "text/plain", "", 0, body, &body_len) == 200);
    ok(bw_enrolment(a, body, body_len, &out));
    CHECK(http(p, "POST", "/v1/enrol", "application/cose; cose-type=\"cose-sign1\"", out.data, out.len, body, &body_len) == 200);
    bw_free(&out);
    ok(bw_accept_enrolment(a, body, body_len, &out));
    bw_free(&out);
    CHECK(bw_enrolled(a) == 1);
    CHECK(bw_accept_enrolment(a, body, body_len, &out) == BW_ALREADY_ENROLLED);
    bw_free(&out);
}

static void check_in(struct phone *p, bw_agent a) {
    bw_status s = bw_evidence(a, &out);
    if (s == BW_NO_EPOCH) {
        bw_free(&out);
        CHECK(http(p, "GET", "/v1/epoch", "text/plain", "", 0, body, &body_len) == 200);
        ok(bw_set_epoch_answer(a, body, body_len, &out));
        s = bw_evidence(a, &out);
    }
    ok(s);
    CHECK(http(p, "POST", "/v1/check-in", "application/eat+cwt", out.data, out.len, body, &body_len) == 200);
    bw_free(&out);
    ok(bw_accept(a, body, body_len, &out));
    CHECK(strstr((char *)out.data, "\"refused\":[]") != NULL);
    bw_free(&out);
}

static void live_until(struct phone *p, bw_agent a, const char *stage) {
    for (int days = 0; days < 60; days++) {
        ok(bw_observe(a, place, NULL));
        ok(bw_shown(a, NULL));
        check_in(p, a);
        if (shows(a, stage)) {
            printf("%s\n", stage);
            return;
        }
        read_clocks(p, "/lab/day");
        ok(bw_tick(a, NULL));
    }
    fprintf(stderr, "never %s: %s\n", stage, (char *)out.data);
    exit(1);
}

static void *observe_often(void *agent) {
    for (int i = 0; i < 200; i++) ok(bw_observe(*(bw_agent *)agent, place, NULL));
    return NULL;
}

static void *look_often(void *agent) {
    for (int i = 0; i < 200; i++) {
        bw_bytes screen = {0};
        CHECK(bw_screen(*(bw_agent *)agent, &screen) == BW_OK && screen.len > 0);
        bw_free(&screen);
    }
    return NULL;
}

static void from_many_threads(bw_agent a) {
    pthread_t threads[6];
    for (int i = 0; i < 6; i++) CHECK(pthread_create(&threads[i], NULL, i % 2 ? observe_often : look_often, &a) == 0);
    for (int i = 0; i < 6; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

static void misuse(const bw_platform *good, bw_agent a) {
    bw_agent none = 7;
    bw_platform bad = *good;
    CHECK(bw_open(NULL, &none, &out) == BW_FAILED);
    bw_free(&out);
    bad.version = 99;
    CHECK(bw_open(&bad, &none, NULL) == BW_FAILED && none == 0);
    bad = *good;
    bad.sign = NULL;
    CHECK(bw_open(&bad, &none, NULL) == BW_FAILED);
    bad = *good;
    bad.counter_read = NULL;
    CHECK(bw_open(&bad, &none, NULL) == BW_FAILED);
    bad = *good;
    bad.chain_len = 0;
    CHECK(bw_open(&bad, &none, NULL) == BW_FAILED);
    bad = *good;
    bad.officers_root = (const uint8_t *)"{}";
    bad.officers_root_len = 2;
    CHECK(bw_open(&bad, &none, NULL) == BW_FAILED);
    bad.version = 1; /* which ends before it */
    CHECK(bw_open(&bad, &none, NULL) == BW_OK);
    bw_close(none);
    CHECK(bw_tick(0, NULL) == BW_HANDLE && bw_tick(a + 1000, NULL) == BW_HANDLE && bw_enrolled(0) == 0);
    bw_close(0);
    bw_close(a + 1000);
    bw_free(NULL);
    CHECK(bw_observe(a, NULL, NULL) == BW_FAILED && bw_observe(a, "{\"gnss\":{\"lat\":99}}", NULL) == BW_FAILED);
    CHECK(bw_accept(a, NULL, 5, NULL) == BW_FAILED && bw_accept(a, (const uint8_t *)"x", (size_t)-1, NULL) == BW_FAILED);
    CHECK(bw_accept(a, (const uint8_t *)"x", 1, NULL) == BW_FAILED && bw_accept_lift(a, NULL, 0, NULL) == BW_FAILED);
    CHECK(bw_next_check_in(a, NULL) == BW_FAILED);
    CHECK(bw_enter_code(a, "12", NULL) == BW_NO_CODE && bw_enter_code(a, NULL, NULL) == BW_NO_CODE);
    CHECK(bw_enter_code(a, "12345678", NULL) == BW_NOT_ENROLLED);
}

static void forged_record(const struct phone *p, const bw_platform *platform) {
    char path[600];
    bw_agent none = 0;
    snprintf(path, sizeof path, "%s/record", p->folder);
    FILE *f = fopen(path, "r+b");
    CHECK(f != NULL && fseek(f, 40, SEEK_SET) == 0);
    int old = fgetc(f);
    CHECK(fseek(f, 40, SEEK_SET) == 0 && fputc(old ^ 1, f) != EOF && fclose(f) == 0);
    CHECK(bw_open(platform, &none, NULL) == BW_DAMAGED && none == 0);
    f = fopen(path, "r+b");
    CHECK(f != NULL && fseek(f, 40, SEEK_SET) == 0 && fputc(old, f) != EOF && fclose(f) == 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    struct phone p = {.port = atoi(argv[1])};
    snprintf(p.folder, sizeof p.folder, "%s", argv[2]);
    read_clocks(&p, "/lab/clock");

    static uint8_t certificates[8][8192];
    bw_bytes chain[8];
    size_t links = 0;
    for (; links < 8; links++) {
        char path[32];
        snprintf(path, sizeof path, "/lab/chain/%zu", links);
        if (http(&p, "POST", path, "text/plain", "", 0, body, &body_len) != 200) break;
        CHECK(body_len <= sizeof certificates[0]);
        memcpy(certificates[links], body, body_len);
        chain[links] = (bw_bytes){certificates[links], body_len};
    }
    lab(&p, "/lab/imei");
    char imei[16];
    CHECK(body_len == 15);
    memcpy(imei, body, 16);

    static uint8_t root[65536];
    lab(&p, "/lab/root");
    CHECK(body_len <= sizeof root);
    size_t root_len = body_len; /* what a firmware has built in */
    memcpy(root, body, body_len);

    uint8_t key[32];
    memset(key, 0x5a, sizeof key);
    bw_platform platform = {
        .version = BW_VERSION, .ctx = &p, .load = load, .save = save, .sign = sign, .now = now, .uptime = uptime,
        .boot_id = boot_id, .boot_state = boot_state, .counter_read = counter_read, .counter_advance = counter_advance,
        .state_key = key, .state_key_len = sizeof key, .chain = chain, .chain_len = links,
        .officers_root = root, .officers_root_len = root_len,
        .imei = imei, .serial = "FW1", .model = "Lantern P", .software = "driver.c/1",
    };
    bw_agent a = 0;
    ok(bw_open(&platform, &a, &out));
    misuse(&platform, a);
    enrol(&p, a);
    CHECK(shows(a, "observed"));
    CHECK(bw_enter_code(a, "12345678", NULL) == BW_NOTHING_TO_UNLOCK);
    from_many_threads(a);

    live_until(&p, a, "noticed");
    bw_close(a); /* a restart of the firmware: what was saved is all that counts */
    CHECK(bw_tick(a, NULL) == BW_HANDLE);
    forged_record(&p, &platform);
    ok(bw_open(&platform, &a, NULL));
    CHECK(bw_enrolled(a) == 1 && shows(a, "noticed"));
    live_until(&p, a, "locked");

    bw_free(&out);
    ok(bw_enter_code(a, "00000000", &out));
    CHECK(strstr((char *)out.data, "\"unlocked\":false") != NULL && strstr((char *)out.data, "\"wait_s\":5") != NULL);
    bw_free(&out);

    lab(&p, "/lab/forgive");
    check_in(&p, a); /* the network keeps the lift back, and its file comes another way */
    CHECK(shows(a, "locked"));
    lab(&p, "/lab/lift");
    bw_free(&out);
    ok(bw_accept_lift(a, body, body_len, &out));
    CHECK(shows(a, "lifted"));
    printf("lifted\n");
    check_in(&p, a);
    int64_t next = 0;
    CHECK(bw_next_check_in(a, &next) == BW_OK && next > p.now && next < p.now + 4 * 86400);
    bw_free(&out);
    bw_close(a);
    bw_close(a);
    return 0;
}
