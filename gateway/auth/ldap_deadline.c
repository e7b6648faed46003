/* SPDX-License-Identifier: PostgreSQL
 * ldap_deadline - a layer in libldap's stack (lber-sockbuf(3)) that waits for the socket before each call. */
#include "gateway/auth/ldap_deadline.h"

#include <errno.h>
#include <lber.h>
#include <limits.h>
#include <poll.h>

#include "gateway/base/clock.h"

/* Anywhere between the socket and TLS. */
enum { LEVEL = (LBER_SBIOD_LEVEL_PROVIDER + LBER_SBIOD_LEVEL_TRANSPORT) / 2 };

static int layer_setup(Sockbuf_IO_Desc *layer, void *deadline)
{
    layer->sbiod_pvt = deadline;
    return 0;
}

static int layer_control(Sockbuf_IO_Desc *layer, int option, void *argument)
{
    return LBER_SBIOD_CTRL_NEXT(layer, option, argument);
}

/* True when the socket is ready; false with errno, which must not be one that asks to try again. */
static bool layer_wait(Sockbuf_IO_Desc *layer, short events)
{
    const struct ldap_deadline *deadline = layer->sbiod_pvt;
    struct pollfd ready = { .events = events };

    ber_sockbuf_ctrl(layer->sbiod_sb, LBER_SB_OPT_GET_FD, &ready.fd);
    for (;;) {
        uint64_t now_us = clock_now_us();
        uint64_t left_ms = now_us < deadline->until_us ? (deadline->until_us - now_us) / 1000 + 1 : 0;
        int count = poll(&ready, 1, left_ms < INT_MAX ? (int)left_ms : INT_MAX);

        if (count > 0)
            return true;
        if (count < 0 && errno == EINTR)
            continue;
        if (count == 0)
            errno = ETIMEDOUT;
        return false;
    }
}

static ber_slen_t layer_read(Sockbuf_IO_Desc *layer, void *bytes, ber_len_t length)
{
    return layer_wait(layer, POLLIN) ? LBER_SBIOD_READ_NEXT(layer, bytes, length) : -1;
}

static ber_slen_t layer_write(Sockbuf_IO_Desc *layer, void *bytes, ber_len_t length)
{
    return layer_wait(layer, POLLOUT) ? LBER_SBIOD_WRITE_NEXT(layer, bytes, length) : -1;
}

static int connection_add(LDAP *ldap, Sockbuf *socket, LDAPURLDesc *server, struct sockaddr *address,
                          struct ldap_conncb *hooks)
{
    static Sockbuf_IO layer = {
        .sbi_setup = layer_setup, .sbi_ctrl = layer_control, .sbi_read = layer_read, .sbi_write = layer_write
    };

    (void)ldap;
    (void)server;
    (void)address;
    return ber_sockbuf_add_io(socket, &layer, LEVEL, hooks->lc_arg);
}

static void connection_remove(LDAP *ldap, Sockbuf *socket, struct ldap_conncb *hooks)
{
    (void)ldap;
    (void)socket;
    (void)hooks;
}

bool ldap_deadline_attach(struct ldap_deadline *deadline, LDAP *ldap)
{
    deadline->hooks = (struct ldap_conncb){
        .lc_add = connection_add, .lc_del = connection_remove, .lc_arg = deadline
    };
    return ldap_set_option(ldap, LDAP_OPT_CONNECT_CB, &deadline->hooks) == LDAP_OPT_SUCCESS;
}
