//! Authentication, authorisation and TLS: not served yet.

use super::reasons::{NO_CLASSES, NO_SECURITY, ONE_LISTENER};
use super::row::{ANY, POSITIVE, fixed, per_broker, per_listener};
use crate::broker_config::BrokerConfig;
use crate::config_value::ConfigType::{Boolean, Class, Double, Int, List, Long, Password, Short, String};
use crate::config_value::Valid;

pub(super) const ROWS: &[BrokerConfig] = &[
    fixed("authorizer.class.name", String, Some(""), ANY)
        .refused(NO_CLASSES)
        .doc("The class that decides who may do what."),
    fixed("delegation.token.expiry.check.interval.ms", Long, Some("3600000"), POSITIVE)
        .refused(NO_SECURITY)
        .doc("How often expired delegation tokens are looked for."),
    fixed("delegation.token.expiry.time.ms", Long, Some("86400000"), POSITIVE)
        .refused(NO_SECURITY)
        .doc("After how long a delegation token must be renewed."),
    fixed("delegation.token.max.lifetime.ms", Long, Some("604800000"), POSITIVE)
        .refused(NO_SECURITY)
        .doc("After how long a delegation token cannot be renewed any more."),
    fixed("delegation.token.secret.key", Password, None, ANY)
        .refused(NO_SECURITY)
        .doc("The secret that delegation tokens are made with."),
    fixed("inter.broker.listener.name", String, None, ANY)
        .refused(ONE_LISTENER)
        .doc("The listener that brokers use among themselves."),
    per_broker(
        "principal.builder.class",
        Class,
        Some("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"),
        ANY,
    )
    .refused(NO_CLASSES)
    .doc("The class that tells who a client is."),
    fixed("sasl.client.callback.handler.class", Class, None, ANY)
        .refused(NO_CLASSES)
        .doc("A class that answers the questions of a SASL client."),
    per_broker("sasl.enabled.mechanisms", List, Some("GSSAPI"), ANY)
        .refused(NO_SECURITY)
        .doc("The SASL mechanisms that are offered."),
    per_broker("sasl.jaas.config", Password, None, ANY).refused(NO_SECURITY).doc("The login module and its options."),
    per_broker("sasl.kerberos.kinit.cmd", String, Some("/usr/bin/kinit"), ANY)
        .refused(NO_SECURITY)
        .doc("The program that fetches Kerberos tickets."),
    per_broker("sasl.kerberos.min.time.before.relogin", Long, Some("60000"), ANY)
        .refused(NO_SECURITY)
        .doc("The shortest time between two Kerberos logins."),
    per_broker("sasl.kerberos.principal.to.local.rules", List, Some("DEFAULT"), ANY)
        .refused(NO_SECURITY)
        .doc("How Kerberos principals become short names."),
    per_broker("sasl.kerberos.service.name", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("The Kerberos name of the service."),
    per_broker("sasl.kerberos.ticket.renew.jitter", Double, Some("0.05"), ANY)
        .refused(NO_SECURITY)
        .doc("The random part of the time of renewal."),
    per_broker("sasl.kerberos.ticket.renew.window.factor", Double, Some("0.8"), ANY)
        .refused(NO_SECURITY)
        .doc("After which share of its life a ticket is renewed."),
    fixed("sasl.login.callback.handler.class", Class, None, ANY)
        .refused(NO_CLASSES)
        .doc("A class that answers the questions of a login."),
    fixed("sasl.login.class", Class, None, ANY).refused(NO_CLASSES).doc("The class that logs in."),
    fixed("sasl.login.connect.timeout.ms", Int, None, ANY)
        .refused(NO_SECURITY)
        .doc("How long connecting to the authentication server may take."),
    fixed("sasl.login.read.timeout.ms", Int, None, ANY)
        .refused(NO_SECURITY)
        .doc("How long reading from the authentication server may take."),
    per_broker("sasl.login.refresh.buffer.seconds", Short, Some("300"), ANY)
        .refused(NO_SECURITY)
        .doc("How long before its end a credential is renewed at the latest."),
    per_broker("sasl.login.refresh.min.period.seconds", Short, Some("60"), ANY)
        .refused(NO_SECURITY)
        .doc("The shortest time between two renewals of a credential."),
    per_broker("sasl.login.refresh.window.factor", Double, Some("0.8"), ANY)
        .refused(NO_SECURITY)
        .doc("After which share of its life a credential is renewed."),
    per_broker("sasl.login.refresh.window.jitter", Double, Some("0.05"), ANY)
        .refused(NO_SECURITY)
        .doc("The random part of the time of renewal."),
    fixed("sasl.login.retry.backoff.max.ms", Long, Some("10000"), ANY)
        .refused(NO_SECURITY)
        .doc("The longest pause between two tries to log in."),
    fixed("sasl.login.retry.backoff.ms", Long, Some("100"), ANY)
        .refused(NO_SECURITY)
        .doc("The first pause between two tries to log in."),
    fixed("sasl.mechanism.controller.protocol", String, Some("GSSAPI"), ANY)
        .refused(NO_SECURITY)
        .doc("The SASL mechanism between brokers and controllers."),
    per_broker("sasl.mechanism.inter.broker.protocol", String, Some("GSSAPI"), ANY)
        .refused(NO_SECURITY)
        .doc("The SASL mechanism among brokers."),
    fixed("sasl.oauthbearer.assertion.algorithm", String, Some("RS256"), ANY)
        .refused(NO_SECURITY)
        .doc("The algorithm that an assertion is signed with."),
    fixed("sasl.oauthbearer.assertion.claim.aud", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("The audience named in an assertion."),
    fixed("sasl.oauthbearer.assertion.claim.exp.seconds", Int, Some("300"), Valid::Between(0, 86_400))
        .refused(NO_SECURITY)
        .doc("How long an assertion holds."),
    fixed("sasl.oauthbearer.assertion.claim.iss", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("The issuer named in an assertion."),
    fixed("sasl.oauthbearer.assertion.claim.jti.include", Boolean, Some("false"), ANY)
        .refused(NO_SECURITY)
        .doc("Whether each assertion has an id of its own."),
    fixed("sasl.oauthbearer.assertion.claim.nbf.seconds", Int, Some("60"), Valid::Between(0, 3600))
        .refused(NO_SECURITY)
        .doc("How far in the past an assertion begins to hold."),
    fixed("sasl.oauthbearer.assertion.claim.sub", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("The subject named in an assertion."),
    fixed("sasl.oauthbearer.assertion.file", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("A file with a ready assertion."),
    fixed("sasl.oauthbearer.assertion.private.key.file", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("The key that assertions are signed with."),
    fixed("sasl.oauthbearer.assertion.private.key.passphrase", Password, None, ANY)
        .refused(NO_SECURITY)
        .doc("What that key is encrypted with."),
    fixed("sasl.oauthbearer.assertion.template.file", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("A file with the fixed parts of assertions."),
    fixed("sasl.oauthbearer.client.credentials.client.id", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("Who asks the identity provider for a token."),
    fixed("sasl.oauthbearer.client.credentials.client.secret", Password, None, ANY)
        .refused(NO_SECURITY)
        .doc("The secret that goes with it."),
    fixed("sasl.oauthbearer.clock.skew.seconds", Int, Some("30"), ANY)
        .refused(NO_SECURITY)
        .doc("How far clocks may differ when a token's times are checked."),
    fixed("sasl.oauthbearer.expected.audience", List, Some(""), ANY)
        .refused(NO_SECURITY)
        .doc("Audiences that a token may be made for."),
    fixed("sasl.oauthbearer.expected.issuer", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("Who must have made a token."),
    fixed("sasl.oauthbearer.jwks.endpoint.refresh.ms", Long, Some("3600000"), ANY)
        .refused(NO_SECURITY)
        .doc("How often the identity provider's keys are fetched."),
    fixed("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Long, Some("10000"), ANY)
        .refused(NO_SECURITY)
        .doc("The longest pause between two tries to fetch them."),
    fixed("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Long, Some("100"), ANY)
        .refused(NO_SECURITY)
        .doc("The first pause between two tries to fetch them."),
    fixed("sasl.oauthbearer.jwks.endpoint.url", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("Where the identity provider's keys are."),
    fixed(
        "sasl.oauthbearer.jwt.retriever.class",
        Class,
        Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"),
        ANY,
    )
    .refused(NO_CLASSES)
    .doc("The class that fetches tokens."),
    fixed(
        "sasl.oauthbearer.jwt.validator.class",
        Class,
        Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"),
        ANY,
    )
    .refused(NO_CLASSES)
    .doc("The class that checks tokens."),
    fixed("sasl.oauthbearer.scope", String, None, ANY).refused(NO_SECURITY).doc("What is asked for with a token."),
    fixed("sasl.oauthbearer.scope.claim.name", String, Some("scope"), ANY)
        .refused(NO_SECURITY)
        .doc("The claim that holds the scope."),
    fixed("sasl.oauthbearer.sub.claim.name", String, Some("sub"), ANY)
        .refused(NO_SECURITY)
        .doc("The claim that holds the subject."),
    fixed("sasl.oauthbearer.token.endpoint.url", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("Where tokens are fetched."),
    fixed("sasl.server.callback.handler.class", Class, None, ANY)
        .refused(NO_CLASSES)
        .doc("A class that answers the questions of a SASL server."),
    fixed("sasl.server.max.receive.size", Int, Some("524288"), ANY)
        .refused(NO_SECURITY)
        .doc("The largest message of an authentication."),
    fixed(
        "security.inter.broker.protocol",
        String,
        Some("PLAINTEXT"),
        Valid::OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]),
    )
    .refused(ONE_LISTENER)
    .doc("The security protocol among brokers."),
    fixed("security.providers", String, None, ANY)
        .refused(NO_CLASSES)
        .doc("Classes that provide algorithms of security."),
    fixed("ssl.allow.dn.changes", Boolean, Some("false"), ANY)
        .refused(NO_SECURITY)
        .doc("Whether a new keystore may have another distinguished name."),
    fixed("ssl.allow.san.changes", Boolean, Some("false"), ANY)
        .refused(NO_SECURITY)
        .doc("Whether a new keystore may lack alternative names of the old one."),
    per_broker("ssl.cipher.suites", List, Some(""), ANY)
        .refused(NO_SECURITY)
        .doc("The cipher suites that are offered."),
    per_broker("ssl.client.auth", String, Some("none"), Valid::OneOf(&["required", "requested", "none"]))
        .refused(NO_SECURITY)
        .doc("Whether clients must have a certificate."),
    per_broker("ssl.enabled.protocols", List, Some("TLSv1.2,TLSv1.3"), ANY)
        .refused(NO_SECURITY)
        .doc("The versions of TLS that are offered."),
    per_broker("ssl.endpoint.identification.algorithm", String, Some("https"), ANY)
        .refused(NO_SECURITY)
        .doc("How the host name in a certificate is checked."),
    per_broker("ssl.engine.factory.class", Class, None, ANY)
        .refused(NO_CLASSES)
        .doc("The class that makes TLS engines."),
    per_listener("ssl.key.password", Password, None, ANY)
        .refused(NO_SECURITY)
        .doc("What the private key is encrypted with."),
    per_broker("ssl.keymanager.algorithm", String, Some("SunX509"), ANY)
        .refused(NO_SECURITY)
        .doc("How keys are managed."),
    per_listener("ssl.keystore.certificate.chain", Password, None, ANY)
        .refused(NO_SECURITY)
        .doc("The node's certificates as text."),
    per_listener("ssl.keystore.key", Password, None, ANY).refused(NO_SECURITY).doc("The node's private key as text."),
    per_listener("ssl.keystore.location", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("The file with the node's key and certificates."),
    per_listener("ssl.keystore.password", Password, None, ANY)
        .refused(NO_SECURITY)
        .doc("What that file is encrypted with."),
    per_listener("ssl.keystore.type", String, Some("JKS"), ANY).refused(NO_SECURITY).doc("The format of that file."),
    fixed("ssl.principal.mapping.rules", String, Some("DEFAULT"), ANY)
        .refused(NO_SECURITY)
        .doc("How distinguished names become short names."),
    per_broker("ssl.protocol", String, Some("TLSv1.3"), ANY)
        .refused(NO_SECURITY)
        .doc("The version of TLS that is preferred."),
    per_broker("ssl.provider", String, None, ANY).refused(NO_SECURITY).doc("The provider of TLS."),
    per_broker("ssl.secure.random.implementation", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("Where random numbers for TLS come from."),
    per_broker("ssl.trustmanager.algorithm", String, Some("PKIX"), ANY)
        .refused(NO_SECURITY)
        .doc("How trust is managed."),
    per_listener("ssl.truststore.certificates", Password, None, ANY)
        .refused(NO_SECURITY)
        .doc("The trusted certificates as text."),
    per_listener("ssl.truststore.location", String, None, ANY)
        .refused(NO_SECURITY)
        .doc("The file with the trusted certificates."),
    per_listener("ssl.truststore.password", Password, None, ANY)
        .refused(NO_SECURITY)
        .doc("What that file is encrypted with."),
    per_listener("ssl.truststore.type", String, Some("JKS"), ANY).refused(NO_SECURITY).doc("The format of that file."),
];
