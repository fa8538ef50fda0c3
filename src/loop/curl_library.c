/* curl_library.c: see curl_library.h. */
#include "loop/curl_library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* 7.87 is the first that can let go of a name's resolution without waiting for it. */
enum { VERSION_MIN = 0x075700 };

static const char *const names[] = {
#define X(name) #name,
    CURL_TABLE(X)
#undef X
};

static bool find(void *library, const char *name, void *ret_function) {
    void *found = dlsym(library, name);
    if (found == NULL) {
        return false;
    }
    memcpy(ret_function, &found, sizeof found);
    return true;
}

/* Without it every connection reads the file again, on the loop. A libcurl with another TLS than
 * OpenSSL 3 does not know the store; it then reads what it was built for, by itself. */
static void trust_open(const char *ca_file, struct curl_trust *trust) {
    void *(*store_new)(void);
    int (*load)(void *store, const char *file, const char *folder);
    trust->library = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (trust->library == NULL ||
        !find(trust->library, "SSL_CTX_set1_cert_store", &trust->context_set) ||
        !find(trust->library, "X509_STORE_new", &store_new) ||
        !find(trust->library, "X509_STORE_free", &trust->store_free) ||
        !find(trust->library, "X509_STORE_load_locations", &load)) {
        return;
    }
    trust->store = store_new();
    if (trust->store != NULL && (ca_file == NULL || load(trust->store, ca_file, NULL) != 1)) {
        (void)snprintf(trust->why, sizeof trust->why, /* Cut at worst. */
                       "no certificates of authorities in %s; install them (package "
                       "ca-certificates)",
                       ca_file != NULL ? ca_file : "any known place");
    }
}

/* The table's members after `library` stand in the order of `names`, each a pointer to a function.
 * memcpy moves the address because ISO C has no cast from an object pointer to a function's. */
static struct err library_begin(struct curl_library *curl, struct why *why) {
    void *found[COUNT_OF(names)];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        found[i] = dlsym(curl->library, names[i]);
        if (found[i] == NULL) {
            return err_why(why, ERR_CONFIG,
                           "libcurl is too old: it has no %s; install version 7.87 or later "
                           "(package libcurl4)",
                           names[i]);
        }
    }
    static_assert(sizeof *curl == sizeof found + sizeof(void *), "a table of pointers only");
    memcpy((char *)curl + sizeof(void *), found, sizeof found);
    const curl_version_info_data *version = curl->curl_version_info(CURLVERSION_NOW);
    if (version->version_num < VERSION_MIN) {
        return err_why(why, ERR_CONFIG,
                       "libcurl is too old: it is %s; install version 7.87 or later (package "
                       "libcurl4)",
                       version->version);
    }
    CURLcode code = curl->curl_global_init(CURL_GLOBAL_DEFAULT);
    return code == CURLE_OK ? ERR_OK
                            : err_why(why, ERR_CONFIG, "libcurl cannot begin: %s",
                                      curl->curl_easy_strerror(code));
}

struct err curl_library_open(const char *ca_file, struct curl_library *ret_library,
                             struct curl_trust *ret_trust, struct why *why) {
    /* NODELETE: OpenSSL leaves exit handlers and thread keys after that point into itself. */
    struct curl_library curl = {.library =
                                    dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)};
    struct curl_trust trust = {.library = NULL};
    if (curl.library == NULL) {
        return err_why(why, ERR_CONFIG, "libcurl is not installed: apt install libcurl4 (%s)",
                       dlerror());
    }
    struct err err = library_begin(&curl, why);
    if (err_failed(err)) {
        (void)dlclose(curl.library); /* Only lowers a count: see RTLD_NODELETE. */
        return err;
    }
    const char *built_for = curl.curl_version_info(CURLVERSION_NOW)->cainfo;
    trust_open(ca_file != NULL ? ca_file : built_for, &trust);
    *ret_library = curl;
    *ret_trust = trust;
    return ERR_OK;
}

void curl_library_close(struct curl_library *library, struct curl_trust *trust) {
    if (trust->store != NULL) {
        trust->store_free(trust->store);
    }
    if (trust->library != NULL) {
        (void)dlclose(trust->library); /* As above. */
    }
    if (library->library != NULL) {
        library->curl_global_cleanup();
        (void)dlclose(library->library);
    }
    *trust = (struct curl_trust){.library = NULL};
    *library = (struct curl_library){.library = NULL};
}
