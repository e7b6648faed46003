/* SPDX-License-Identifier: PostgreSQL
 * tls_files - a key, a certificate of "db.example" and a context for either side, for unit tests of TLS. */
#pragma once

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/fault.h"
#include "gateway/net/tls_context.h"

static struct tls_context *server_side, *client_side;
static char directory[] = "/tmp/test_tls.XXXXXX";
static char key_file[64], cert_file[64];

static inline void write_certificate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *name;
    FILE *file;

    assert_non_null(key);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"db.example", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    file = fopen(key_file, "w");
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    file = fopen(cert_file, "w");
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static const struct tls_setup server_setup = {.accepts = true, .key_file = key_file, .cert_file = cert_file,
                                              .protocols = "secure", .ciphers = "default", .ciphers13 = "",
                                              .groups = "auto"};
static const struct tls_setup client_setup = {.ca_file = cert_file, .protocols = "secure",
                                              .ciphers = "default", .ciphers13 = ""};

static inline int make_files(void **state)
{
    struct fault fault;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(key_file, sizeof key_file, "%s/key", directory);
    snprintf(cert_file, sizeof cert_file, "%s/cert", directory);
    write_certificate();
    server_side = tls_context_new(&server_setup, &fault);
    client_side = tls_context_new(&client_setup, &fault);
    assert_non_null(server_side);
    assert_non_null(client_side);
    return 0;
}

static inline int remove_files(void **state)
{
    (void)state;
    tls_context_release(server_side);
    tls_context_release(client_side);
    unlink(key_file);
    unlink(cert_file);
    rmdir(directory);
    return 0;
}
