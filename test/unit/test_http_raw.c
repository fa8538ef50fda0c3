/* Raw requests, each with the statuses that must come back, in order. The host is called "t". What
 * asks for a change asks it of the stream "x", which must still be empty in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "http_kit.h"

struct raw {
    const char *name;
    const char *bytes;
    size_t len;
    const char *statuses; /* "": closed without a word. */
};

#define H "Host: t\r\n"
#define J "Content-Type: application/json\r\n"
#define POST "POST /s/x HTTP/1.1\r\n" H J
#define RAW(name, bytes, statuses)                                                                 \
    { name, bytes, sizeof(bytes) - 1, statuses }

static const struct raw table[] = {
    /* What is right. */
    RAW("a request", "GET /ping HTTP/1.1\r\n" H "\r\n", "200"),
    RAW("two in one write", "GET /ping HTTP/1.1\r\n" H "\r\nGET /ping HTTP/1.1\r\n" H "\r\n",
        "200 200"),
    RAW("HEAD", "HEAD /ping HTTP/1.1\r\n" H "\r\n", "200"),
    RAW("OPTIONS of a path", "OPTIONS /ping HTTP/1.1\r\n" H "\r\n", "204"),
    RAW("OPTIONS of all", "OPTIONS * HTTP/1.1\r\n" H "\r\n", "204"),
    RAW("HTTP/1.0", "GET /ping HTTP/1.0\r\n" H "\r\n", "200"),
    RAW("HTTP/1.0 ends the connection",
        "GET /ping HTTP/1.0\r\n" H "\r\nGET /ping HTTP/1.0\r\n" H "\r\n", "200"),
    RAW("HTTP/1.0 kept alive",
        "GET /ping HTTP/1.0\r\n" H "Connection: keep-alive\r\n\r\nGET /ping HTTP/1.0\r\n" H "\r\n",
        "200 200"),
    RAW("close is honoured",
        "GET /ping HTTP/1.1\r\n" H "Connection: close\r\n\r\nGET /ping HTTP/1.1\r\n" H "\r\n",
        "200"),
    RAW("a blank line before", "\r\nGET /ping HTTP/1.1\r\n" H "\r\n", "200"),
    RAW("a port in Host", "GET /ping HTTP/1.1\r\nHost: t:8080\r\n\r\n", "200"),
    RAW("a name in capitals", "GET /ping HTTP/1.1\r\nHOST: T\r\n\r\n", "200"),
    RAW("blanks around a value", "GET /ping HTTP/1.1\r\nHost: \t t \t\r\n\r\n", "200"),
    RAW("an absolute target", "GET http://t/ping HTTP/1.1\r\n" H "\r\n", "200"),
    RAW("an empty header", "GET /ping HTTP/1.1\r\n" H "X:\r\n\r\n", "200"),
    RAW("a query that is known", "GET /things/1?n=3 HTTP/1.1\r\n" H "\r\n", "200"),
    RAW("an encoded letter", "GET /%70ing HTTP/1.1\r\n" H "\r\n", "200"),
    RAW("the same origin", "GET /ping HTTP/1.1\r\n" H "Origin: http://t\r\n\r\n", "200"),
    RAW("a body on DELETE of length 0", "DELETE /secret HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n",
        "200"),
    RAW("upgrade to something unknown is ignored",
        "GET /ping HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "200"),
    RAW("a chunked body",
        "POST /things HTTP/1.1\r\n" H J
        "Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n2\r\n1]\r\n0\r\n\r\n",
        "201"),
    RAW("a chunked body and another request",
        "POST /things HTTP/1.1\r\n" H J "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        "GET /ping HTTP/1.1\r\n" H "\r\n",
        "201 200"),
    RAW("a chunk size in capitals",
        "POST /things HTTP/1.1\r\n" H J
        "Transfer-Encoding: chunked\r\n\r\nA\r\n\"12345678\"\r\n0\r\n\r\n",
        "201"),
    RAW("charset utf-8",
        "POST /things HTTP/1.1\r\n" H
        "Content-Type: application/json; charset=UTF-8\r\nContent-Length: 2\r\n\r\n{}",
        "201"),
    RAW("100-continue",
        "POST /things HTTP/1.1\r\n" H J "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
        "201"),
    RAW("a refusal leaves the connection",
        "GET /no HTTP/1.1\r\n" H "\r\nGET /ping HTTP/1.1\r\n" H "\r\n", "404 200"),
    RAW("a refused body is dropped",
        "POST /no HTTP/1.1\r\n" H J "Content-Length: 5\r\n\r\nhello"
        "GET /ping HTTP/1.1\r\n" H "\r\n",
        "404 200"),

    /* The request line. */
    RAW("nothing", "", ""),
    RAW("a blank line only", "\r\n", "400"),
    RAW("three blank lines", "\r\n\r\n\r\nGET /ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("HTTP/0.9", "GET /ping\r\n", "400"),
    RAW("HTTP/0.9 said", "GET /ping HTTP/0.9\r\n" H "\r\n", "505"),
    RAW("HTTP/1.2", "GET /ping HTTP/1.2\r\n" H "\r\n", "505"),
    RAW("HTTP/2.0", "GET /ping HTTP/2.0\r\n" H "\r\n", "505"),
    RAW("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
    RAW("HTTP/11.1", "GET /ping HTTP/11.1\r\n" H "\r\n", "400"),
    RAW("HTTP/1.10", "GET /ping HTTP/1.10\r\n" H "\r\n", "400"),
    RAW("http/1.1", "GET /ping http/1.1\r\n" H "\r\n", "400"),
    RAW("HTTP/+1.1", "GET /ping HTTP/+1.1\r\n" H "\r\n", "400"),
    RAW("HTTP/01.1", "GET /ping HTTP/01.1\r\n" H "\r\n", "400"),
    RAW("HTTP/1,1", "GET /ping HTTP/1,1\r\n" H "\r\n", "400"),
    RAW("HTTP/3.0", "GET /ping HTTP/3.0\r\n" H "\r\n", "505"),
    RAW("HTTP/9.9", "GET /ping HTTP/9.9\r\n" H "\r\n", "505"),
    RAW("another protocol", "GET /ping ICE/1.1\r\n" H "\r\n", "400"),
    RAW("RTSP", "GET /ping RTSP/1.0\r\n" H "\r\n", "400"),
    RAW("no version but a blank", "GET /ping \r\n" H "\r\n", "400"),
    RAW("two blanks before the version", "GET /ping  HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("two blanks before the target", "GET  /ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a blank in the target", "GET /pi ng HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a tab instead of a blank", "GET\t/ping\tHTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a blank behind the version", "GET /ping HTTP/1.1 \r\n" H "\r\n", "400"),
    RAW("no target", "GET HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("an empty target", "GET  HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a blank before the method", " GET /ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a small method", "get /ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a mixed method", "Get /ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a method with a NUL", "G\0T /ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a method with a byte over 127", "G\xcaT /ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("an unknown method", "BREW /ping HTTP/1.1\r\n" H "\r\n", "501"),
    RAW("CONNECT", "CONNECT t:80 HTTP/1.1\r\n" H "\r\n", "501"),
    RAW("TRACE", "TRACE /ping HTTP/1.1\r\n" H "\r\n", "501"),
    RAW("PROPFIND", "PROPFIND /ping HTTP/1.1\r\n" H "\r\n", "501"),
    RAW("a method without end", "GETGETGETGETGETGETGETGETGETGET /ping HTTP/1.1\r\n" H "\r\n",
        "400"),
    RAW("a wrong method", "POST /ping HTTP/1.1\r\n" H "\r\n", "405"),
    RAW("a wrong method with a body", "PATCH /ping HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}",
        "405"),
    RAW("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"),
    RAW("bytes", "\xff\xfe\xfd\r\n\r\n", "400"),
    RAW("a NUL first", "\0GET /ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("an SSH client", "SSH-2.0-OpenSSH_9.2\r\n", "400"),

    /* Line ends. */
    RAW("bare LF everywhere", "GET /ping HTTP/1.1\nHost: t\n\n", "400"),
    RAW("bare LF behind the request line", "GET /ping HTTP/1.1\n" H "\r\n", "400"),
    RAW("bare LF behind a header", "GET /ping HTTP/1.1\r\nHost: t\n\r\n", "400"),
    RAW("bare LF at the end", "GET /ping HTTP/1.1\r\n" H "\n", "400"),
    RAW("bare CR in the request line", "GET /ping\rx HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("bare CR in a value", "GET /ping HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", "400"),
    RAW("bare CR in a name", "GET /ping HTTP/1.1\r\n" H "X\ry: a\r\n\r\n", "400"),
    RAW("two CRs", "GET /ping HTTP/1.1\r\n" H "X: a\r\r\n\r\n", "400"),
    RAW("CR CR LF at the end", "GET /ping HTTP/1.1\r\n" H "\r\r\n", "400"),
    RAW("CRs alone", "GET /ping HTTP/1.1\rHost: t\r\r", "400"),
    RAW("a folded header", "GET /ping HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", "400"),
    RAW("a header folded by a tab", "GET /ping HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n", "400"),
    RAW("a folded empty header", "GET /ping HTTP/1.1\r\n" H "X:\r\n b\r\n\r\n", "400"),
    RAW("a folded Host", "GET /ping HTTP/1.1\r\nHost:\r\n t\r\n\r\n", "400"),
    RAW("a first header that begins with a blank", "GET /ping HTTP/1.1\r\n Host: t\r\n\r\n", "400"),
    RAW("a folded length", POST "Content-Length:\r\n 2\r\n\r\n{}", "400"),
    RAW("a folded Transfer-Encoding",
        POST "Transfer-Encoding:\r\n chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "400"),

    /* Headers. */
    RAW("no Host", "GET /ping HTTP/1.1\r\n\r\n", "400"),
    RAW("no Host in HTTP/1.0", "GET /ping HTTP/1.0\r\n\r\n", "400"),
    RAW("an empty Host", "GET /ping HTTP/1.1\r\nHost:\r\n\r\n", "400"),
    RAW("two Hosts", "GET /ping HTTP/1.1\r\n" H H "\r\n", "400"),
    RAW("two different Hosts", "GET /ping HTTP/1.1\r\n" H "Host: u\r\n\r\n", "400"),
    RAW("two names in Host", "GET /ping HTTP/1.1\r\nHost: t, u\r\n\r\n", "400"),
    RAW("a user in Host", "GET /ping HTTP/1.1\r\nHost: a@t\r\n\r\n", "400"),
    RAW("a path in Host", "GET /ping HTTP/1.1\r\nHost: t/x\r\n\r\n", "400"),
    RAW("port 0", "GET /ping HTTP/1.1\r\nHost: t:0\r\n\r\n", "400"),
    RAW("port 65536", "GET /ping HTTP/1.1\r\nHost: t:65536\r\n\r\n", "400"),
    RAW("an empty port", "GET /ping HTTP/1.1\r\nHost: t:\r\n\r\n", "400"),
    RAW("a port that is none", "GET /ping HTTP/1.1\r\nHost: t:8o\r\n\r\n", "400"),
    RAW("another host", "GET /ping HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421"),
    RAW("localhost on another port", "GET /ping HTTP/1.1\r\nHost: localhost:1\r\n\r\n", "421"),
    RAW("a longer name", "GET /ping HTTP/1.1\r\nHost: tt\r\n\r\n", "421"),
    RAW("a name with a dot behind", "GET /ping HTTP/1.1\r\nHost: t.\r\n\r\n", "421"),
    RAW("a blank before the colon", "GET /ping HTTP/1.1\r\nHost : t\r\n\r\n", "400"),
    RAW("a tab before the colon", "GET /ping HTTP/1.1\r\n" H "X\t: y\r\n\r\n", "400"),
    RAW("no colon", "GET /ping HTTP/1.1\r\n" H "nonsense\r\n\r\n", "400"),
    RAW("no name", "GET /ping HTTP/1.1\r\n" H ": x\r\n\r\n", "400"),
    RAW("a NUL in a value", "GET /ping HTTP/1.1\r\n" H "X: a\0b\r\n\r\n", "400"),
    RAW("a NUL in a name", "GET /ping HTTP/1.1\r\n" H "X\0: b\r\n\r\n", "400"),
    RAW("a control character in a value", "GET /ping HTTP/1.1\r\n" H "X: \x01\r\n\r\n", "400"),
    RAW("DEL in a value", "GET /ping HTTP/1.1\r\n" H "X: \x7f\r\n\r\n", "400"),
    RAW("a bracket in a name", "GET /ping HTTP/1.1\r\n" H "X[]: 1\r\n\r\n", "400"),
    RAW("a byte above ASCII in a name", "GET /ping HTTP/1.1\r\n" H "X\xc3\xa4: 1\r\n\r\n", "400"),
    RAW("another origin", "GET /ping HTTP/1.1\r\n" H "Origin: http://evil.example\r\n\r\n", "403"),
    RAW("no origin at all", "GET /ping HTTP/1.1\r\n" H "Origin: null\r\n\r\n", "403"),
    RAW("the origin with another port", "GET /ping HTTP/1.1\r\n" H "Origin: http://t:1\r\n\r\n",
        "403"),
    RAW("two origins", "GET /ping HTTP/1.1\r\n" H "Origin: http://t\r\nOrigin: http://t\r\n\r\n",
        "400"),
    RAW("an unknown expectation", POST "Expect: gold\r\nContent-Length: 2\r\n\r\n{}", "417"),
    RAW("a wrong token", "GET /things/1 HTTP/1.1\r\n" H "Authorization: Bearer bad\r\n\r\n", "401"),
    RAW("an empty token", "GET /things/1 HTTP/1.1\r\n" H "Authorization: Bearer \r\n\r\n", "401"),
    RAW("another scheme", "GET /things/1 HTTP/1.1\r\n" H "Authorization: Basic Z29vZA==\r\n\r\n",
        "401"),
    RAW("two tokens",
        "GET /things/1 HTTP/1.1\r\n" H "Authorization: Bearer good\r\n"
        "Authorization: Bearer good\r\n\r\n",
        "400"),
    RAW("a scope that is missing",
        "DELETE /secret HTTP/1.1\r\n" H "Authorization: Bearer good\r\n\r\n", "403"),
    RAW("two keys", POST "Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 2\r\n\r\n{}",
        "400"),

    /* Framing: what two servers could read differently. */
    RAW("both lengths",
        POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /ping", "400"),
    RAW("both lengths, the other way",
        POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nG", "400"),
    RAW("two lengths", POST "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", "400"),
    RAW("the same length twice", POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "400"),
    RAW("a list of lengths", POST "Content-Length: 2, 2\r\n\r\n{}", "400"),
    RAW("a negative length", POST "Content-Length: -1\r\n\r\n{}", "400"),
    RAW("a length with a plus", POST "Content-Length: +2\r\n\r\n{}", "400"),
    RAW("a length in hexadecimal", POST "Content-Length: 0x2\r\n\r\n{}", "400"),
    RAW("a length with a letter", POST "Content-Length: 2a\r\n\r\n{}", "400"),
    RAW("a length with a blank", POST "Content-Length: 2 0\r\n\r\n{}", "400"),
    RAW("an empty length", POST "Content-Length:\r\n\r\n{}", "400"),
    RAW("a fraction of a length", POST "Content-Length: 2.0\r\n\r\n{}", "400"),
    RAW("a length beyond 64 bits", POST "Content-Length: 18446744073709551618\r\n\r\n{}", "400"),
    RAW("a length of 2^64", POST "Content-Length: 18446744073709551616\r\n\r\n{}", "400"),
    RAW("a length of 30 digits", POST "Content-Length: 999999999999999999999999999999\r\n\r\n{}",
        "400"),
    RAW("a length with an exponent", POST "Content-Length: 2e0\r\n\r\n{}", "400"),
    RAW("a list of lengths without a blank", POST "Content-Length: 2,2\r\n\r\n{}", "400"),
    RAW("a length that is a letter", POST "Content-Length: a\r\n\r\n{}", "400"),
    RAW("a length in quotes", POST "Content-Length: \"2\"\r\n\r\n{}", "400"),
    RAW("a superscript length", POST "Content-Length: \xb2\r\n\r\n{}", "400"),
    RAW("a length of 64 bits", POST "Content-Length: 18446744073709551615\r\n\r\n{}", "413"),
    RAW("a length above the limit", POST "Content-Length: 1048577\r\n\r\n{}", "413"),
    RAW("xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "400"),
    RAW("chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "400"),
    RAW("chunked, identity", POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "400"),
    RAW("identity", POST "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}", "400"),
    RAW("gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "501"),
    RAW("gzip", POST "Transfer-Encoding: gzip\r\n\r\n{}", "400"),
    RAW("two Transfer-Encodings",
        POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
    RAW("a parameter of the coding",
        POST "Transfer-Encoding: chunked;q=1\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "400"),
    RAW("a vertical tab behind the coding",
        POST "Transfer-Encoding: chunked\v\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "400"),
    RAW("an empty coding", POST "Transfer-Encoding: \r\n\r\n2\r\n{}\r\n0\r\n\r\n", "501"),
    RAW("a comma for a coding", POST "Transfer-Encoding: ,\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "400"),
    RAW("a coding and a comma", POST "Transfer-Encoding: chunked,\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "400"),
    RAW("cow", POST "Transfer-Encoding: cow\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "400"),
    RAW("chunked and then cow",
        POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n", "400"),
    RAW("quoted chunked", POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "400"),
    RAW("a vertical tab in the coding", POST "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n",
        "400"),
    RAW("a blank before the colon of the coding",
        POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"),
    RAW("chunked in HTTP/1.0",
        "POST /s/x HTTP/1.0\r\n" H J "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "400"),
    RAW("a chunk size with a sign", POST "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
        "400"),
    RAW("a chunk size with 0x", POST "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        "400"),
    RAW("a chunk size with a blank", POST "Transfer-Encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n",
        "400"),
    RAW("a negative chunk size", POST "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        "400"),
    RAW("no chunk size", POST "Transfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n", "400"),
    RAW("a chunk size of letters", POST "Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
        "400"),
    RAW("a blank before a chunk size",
        POST "Transfer-Encoding: chunked\r\n\r\n 2\r\n{}\r\n0\r\n\r\n", "400"),
    RAW("an underscore in a chunk size",
        POST "Transfer-Encoding: chunked\r\n\r\n1_0\r\n{}\r\n0\r\n\r\n", "400"),
    RAW("a chunk size of 17 digits",
        POST "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n{}\r\n0\r\n\r\n", "400"),
    RAW("a chunk size ended by bare CR",
        POST "Transfer-Encoding: chunked\r\n\r\n2\r{}\r\n0\r\n\r\n", "400"),
    RAW("nothing behind a chunk", POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n", "400"),
    RAW("a chunk that is shorter than it says",
        POST "Transfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n0\r\n\r\n", "400"),
    RAW("an extension with a quoted CRLF",
        POST "Transfer-Encoding: chunked\r\n\r\n2;a=\"\r\n\"\r\n{}\r\n0\r\n\r\n", "400"),
    RAW("a trailer that is a Host",
        POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nHost: evil\r\n\r\n", "400"),
    RAW("a chunk size beyond 64 bits",
        POST "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n", "400"),
    RAW("a huge chunk", POST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n", "413"),
    RAW("a chunk that is longer than it says",
        POST "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n", "400"),
    RAW("a chunk size ended by bare LF",
        POST "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n", "400"),
    RAW("a chunk ended by bare LF", POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n",
        "400"),
    RAW("the last chunk ended by bare LF",
        POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\n\r\n", "400"),
    RAW("the body ended by bare LF", POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\n",
        "400"),
    RAW("a chunk extension", POST "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n",
        "400"),
    RAW("an extension with a bare LF", POST "Transfer-Encoding: chunked\r\n\r\n2;\n{}\r\n0\r\n\r\n",
        "400"),
    RAW("a trailer", POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n", "400"),
    RAW("a trailer that says a length",
        POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n", "400"),
    RAW("a body on GET", "GET /ping HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}", "400"),
    RAW("a smuggled request behind GET",
        "GET /ping HTTP/1.1\r\n" H "Content-Length: 46\r\n\r\n"
        "GET /secret HTTP/1.1\r\nHost: t\r\nX: aaaaaaaa\r\n\r\n",
        "400"),

    /* Cut off. */
    RAW("half a request line", "GET /pi", "400"),
    RAW("half a head", "GET /ping HTTP/1.1\r\nHo", "400"),
    RAW("a head without its end", "GET /ping HTTP/1.1\r\n" H, "400"),
    RAW("half a body", POST "Content-Length: 10\r\n\r\n{\"a\":", "400"),
    RAW("half a chunk", POST "Transfer-Encoding: chunked\r\n\r\n9\r\n{\"a\"", "400"),
    RAW("no last chunk", POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "400"),

    /* Targets. */
    RAW("a relative target", "GET ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("* with GET", "GET * HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a foreign host", "GET http://evil.example/ping HTTP/1.1\r\n" H "\r\n", "421"),
    RAW("a user", "GET http://a:b@t/ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("https", "GET https://t/ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("no path", "GET http://t HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("another scheme in the target", "GET file:///etc/passwd HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("two slashes", "GET //ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("an empty segment", "GET /things//x HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("dots", "GET /things/../ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a dot", "GET /./ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("encoded dots", "GET /things/%2e%2E/ping HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("an encoded slash", "GET /things/a%2fb HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a backslash", "GET /things\\x HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("an encoded backslash", "GET /things/%5c HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("an encoded NUL", "GET /things/%00 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("% alone", "GET /things/% HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("% and a digit", "GET /things/%4 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("% and no digits", "GET /things/%zz HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("%u", "GET /things/%u0041 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("bad UTF-8", "GET /things/%ff HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("overlong UTF-8", "GET /things/%c0%af HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a surrogate", "GET /things/%ed%a0%80 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("UTF-8 that is not encoded", "GET /things/\xc3\xa4 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a fragment", "GET /ping#x HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a NUL", "GET /pi\0ng HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a slash behind", "GET /ping/ HTTP/1.1\r\n" H "\r\n", "404"),
    RAW("another case", "GET /Ping HTTP/1.1\r\n" H "\r\n", "404"),
    RAW("too deep", "GET /1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h HTTP/1.1\r\n" H "\r\n", "404"),

    /* Queries. */
    RAW("an unknown parameter", "GET /things/1?zz=1 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a parameter where none is", "GET /ping?a=1 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a parameter twice", "GET /things/1?n=1&n=1 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a number that is none", "GET /things/1?n=x HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a number too small", "GET /things/1?n=0 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a number too large", "GET /things/1?n=201 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a number beyond 64 bits", "GET /things/1?n=99999999999999999999 HTTP/1.1\r\n" H "\r\n",
        "400"),
    RAW("an empty number", "GET /things/1?n= HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a number with a zero before", "GET /things/1?n=01 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a flag of 2", "GET /things/1?flag=2 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a text too long", "GET /things/1?name=12345678901 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a parameter without a name", "GET /things/1?=1 HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("bad UTF-8 in a query", "GET /things/1?name=%ff HTTP/1.1\r\n" H "\r\n", "400"),
    RAW("a NUL in a query", "GET /things/1?name=%00 HTTP/1.1\r\n" H "\r\n", "400"),

    /* Bodies. */
    RAW("no length", POST "\r\n", "411"),
    RAW("no media type", "POST /s/x HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}", "415"),
    RAW("a form",
        "POST /s/x HTTP/1.1\r\n" H
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n\r\n{}",
        "415"),
    RAW("another charset",
        "POST /s/x HTTP/1.1\r\n" H
        "Content-Type: application/json; charset=latin1\r\nContent-Length: 2\r\n\r\n{}",
        "415"),
    RAW("two media types", POST J "Content-Length: 2\r\n\r\n{}", "400"),
    RAW("an empty body", POST "Content-Length: 0\r\n\r\n", "400"),
    RAW("no JSON", POST "Content-Length: 5\r\n\r\nhello", "400"),
    RAW("half of JSON", POST "Content-Length: 1\r\n\r\n{", "400"),
    RAW("JSON and more", POST "Content-Length: 4\r\n\r\n{}{}", "400"),
    RAW("a key twice", POST "Content-Length: 13\r\n\r\n{\"a\":1,\"a\":2}", "400"),
    RAW("bad UTF-8 in JSON", POST "Content-Length: 4\r\n\r\n\"\xff\xfe\"", "400"),
    RAW("a NUL in JSON", POST "Content-Length: 3\r\n\r\n\"\0\"", "400"),
    RAW("a byte order mark", POST "Content-Length: 5\r\n\r\n\xef\xbb\xbf{}", "400"),
    RAW("an integer too large", POST "Content-Length: 20\r\n\r\n99999999999999999999", "400"),
    RAW("NaN", POST "Content-Length: 3\r\n\r\nNaN", "400"),
    RAW("a trailing comma", POST "Content-Length: 4\r\n\r\n[1,]", "400"),
    RAW("single quotes", POST "Content-Length: 7\r\n\r\n{'a':1}", "400"),
    RAW("a comment", POST "Content-Length: 6\r\n\r\n{}/**/", "400"),
};

static const char *const hosts[] = {"t", NULL};
static const struct kit_options options = {.insecure_loopback = true, .allowed_hosts = hosts};

/* "200 404": the statuses of all answers in `text`; 100 is no answer. */
static void read_statuses(const char *text, char *out, size_t size) {
    out[0] = '\0';
    for (const char *at = strstr(text, "HTTP/1.1 "); at != NULL; at = strstr(at + 1, "HTTP/1.1 ")) {
        if (at[9] >= '2' && at[9] <= '9' && strlen(out) + 5 < size) {
            (void)snprintf(out + strlen(out), size - strlen(out), "%s%.3s",
                           out[0] == '\0' ? "" : " ", at + 9);
        }
    }
}

static unsigned run(const struct kit *kit, const struct raw *raw) {
    AUTO(mem_release) char *answer = kit_talk(kit, raw->bytes, raw->len);
    char statuses[64];
    read_statuses(answer, statuses, sizeof statuses);
    if (strcmp(statuses, raw->statuses) != 0) {
        print_error("%s: expected '%s', got '%s': %.300s\n", raw->name, raw->statuses, statuses,
                    answer);
        return 1;
    }
    return 0;
}

static void expect_nothing_written(struct kit *kit) {
    static const char good[] = POST "Content-Length: 2\r\n\r\n{}";
    AUTO(mem_release) char *answer = kit_talk(kit, good, sizeof good - 1);
    assert_int_equal(kit_status(answer), 201);
    int fd = kit_connect(kit);
    kit_send_text(fd, "GET /s/x?after=0 HTTP/1.1\r\n" H "\r\n");
    AUTO(mem_release) char *events = kit_receive_until(fd, "data: {}", NULL);
    assert_non_null(strstr(events, "id: 1\n"));
    close(fd);
}

static void every_raw_request_gets_its_status_and_changes_nothing(void **state) {
    struct kit *kit = kit_start(&options);
    unsigned wrong = 0;
    assert_true(COUNT_OF(table) >= 150);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        wrong += run(kit, &table[i]);
    }
    assert_int_equal(wrong, 0);
    expect_nothing_written(kit);
    kit_stop(kit);
}

/* Each request again, one byte at a time: where the reads end must not matter. */
static void bytes_that_trickle_in_get_the_same_status(void **state) {
    struct kit *kit = kit_start(&options);
    unsigned wrong = 0;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        int fd = kit_connect(kit);
        for (size_t at = 0; at < table[i].len; at++) {
            kit_send(fd, table[i].bytes + at, 1);
        }
        (void)shutdown(fd, SHUT_WR);
        AUTO(mem_release) char *answer = kit_receive_until(fd, NULL, NULL);
        close(fd);
        char statuses[64];
        read_statuses(answer, statuses, sizeof statuses);
        if (strcmp(statuses, table[i].statuses) != 0) {
            print_error("%s: got '%s'\n", table[i].name, statuses);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
    expect_nothing_written(kit);
    kit_stop(kit);
}

struct large {
    const char *name, *before, *again, *after;
    unsigned times;
    const char *statuses;
};

static const struct large larges[] = {
    {"10,000 headers", "GET /ping HTTP/1.1\r\n" H, "X: y\r\n", "\r\n", 10000, "431"},
    {"100 headers", "GET /ping HTTP/1.1\r\n" H, "X: y\r\n", "\r\n", 99, "200"},
    {"101 headers", "GET /ping HTTP/1.1\r\n" H, "X: y\r\n", "\r\n", 100, "431"},
    {"a header of 20 kB", "GET /ping HTTP/1.1\r\n" H "X: ", "0123456789", "\r\n\r\n", 2000, "431"},
    {"a header name of 20 kB", "GET /ping HTTP/1.1\r\n" H, "abcdefghij", ": 1\r\n\r\n", 2000,
     "431"},
    {"a header of 15 kB", "GET /ping HTTP/1.1\r\n" H "X: ", "0123456789", "\r\n\r\n", 1500, "200"},
    {"a header without end", "GET /ping HTTP/1.1\r\n" H "X: ", "0123456789", "", 200000, "431"},
    {"a URL of 9 kB", "GET /", "0123456789", " HTTP/1.1\r\n" H "\r\n", 900, "414"},
    {"a URL of 8 kB", "GET /", "0123456789", " HTTP/1.1\r\n" H "\r\n", 800, "404"},
    {"a URL without end", "GET /", "0123456789", "", 200000, "414"},
    {"a method without end", "GET", "GGGGGGGGGG", "", 20000, "414"},
    {"1,000 query parameters", "GET /things/1?a", "&a=1", " HTTP/1.1\r\n" H "\r\n", 1000, "400"},
    {"2 MB of chunks", POST "Transfer-Encoding: chunked\r\n\r\n", "10\r\n\"0123456789abcd\"\r\n",
     "0\r\n\r\n", 131072, "413"},
    {"framing without a body", POST "Transfer-Encoding: chunked\r\n\r\n", "0", "\r\n\r\n", 2000000,
     "400"},
    {"200,000 arrays", POST "Content-Length: 200000\r\n\r\n", "[", "", 200000, "400"},
    {"200,000 arrays that end", POST "Transfer-Encoding: chunked\r\n\r\n61a80\r\n", "[]",
     "\r\n0\r\n\r\n", 200000, "400"},
    {"65 arrays", POST "Content-Length: 65\r\n\r\n", "[", "", 65, "400"},
    {"a large body that is right",
     "PUT /things/1 HTTP/1.1\r\n" H J "Content-Length: 1200003\r\n\r\n[", "         1, ", "1]",
     100000, "201"},
};

static void large_requests_are_bounded(void **state) {
    struct kit *kit = kit_start(&options);
    unsigned wrong = 0;
    for (size_t i = 0; i < COUNT_OF(larges); i++) {
        AUTO(text_done) struct text text;
        text_init(&text, 16 << 20);
        text_add_str(&text, larges[i].before);
        for (unsigned n = 0; n < larges[i].times; n++) {
            text_add_str(&text, larges[i].again);
        }
        text_add_str(&text, larges[i].after);
        assert_false(text_failed(&text));
        struct raw raw = {larges[i].name, text.data, text.len, larges[i].statuses};
        wrong += run(kit, &raw);
    }
    assert_int_equal(wrong, 0);
    expect_nothing_written(kit);
    kit_stop(kit);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_raw_request_gets_its_status_and_changes_nothing),
        cmocka_unit_test(bytes_that_trickle_in_get_the_same_status),
        cmocka_unit_test(large_requests_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
