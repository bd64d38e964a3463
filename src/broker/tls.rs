//! TLS to the broker: whom creditd trusts, and how it shows who it is.
//!
//! The URL's parameters name the files, as with RabbitMQ's own clients. They are read anew for each connection, so
//! that a renewed certificate needs no restart.

use std::path::PathBuf;

use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use url::Url;

use crate::tls;

/// The files, all in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsFiles {
    /// The authorities that are trusted; `None`: those of the system.
    authorities: Option<PathBuf>,
    /// creditd's own certificate, with those between it and its authority, and its key.
    own: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// The files that the parameters of `url` name.
    pub(super) fn of(url: &Url) -> Self {
        let named = |parameter| {
            let found = url.query_pairs().find(|(name, _)| name == parameter);
            found.map(|(_, path)| PathBuf::from(path.into_owned()))
        };
        Self { authorities: named("cacertfile"), own: named("certfile").zip(named("keyfile")) }
    }

    /// What makes connections by them, or why there can be none.
    pub(super) fn connector(&self) -> Result<RustlsConnector, String> {
        let trusted = match &self.authorities {
            Some(path) => {
                let authorities = tls::certificates("cacertfile", path)?;
                RustlsConnectorConfig::default().with_parsable_certificates(authorities)
            }
            None => RustlsConnectorConfig::new_with_native_certs()
                .map_err(|error| format!("the system's authorities can't be read: {error}"))?,
        };
        let Some((certificate, key)) = &self.own else {
            return trusted.connector_with_no_client_auth().map_err(|error| error.to_string());
        };
        let chain = tls::certificates("certfile", certificate)?;
        let secret = tls::key("keyfile", key)?;
        trusted.connector_with_single_cert(chain, secret).map_err(|error| {
            let (certificate, key) = (certificate.display(), key.display());
            format!("certificate {certificate} and key {key} can't be used together: {error}")
        })
    }
}

/// What a failure of TLS is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TlsFailure {
    /// The broker's certificate can't be trusted.
    Certificate(String),
    /// The broker doesn't take creditd's certificate, or none.
    Refused(String),
}

impl TlsFailure {
    /// What `error` says about TLS, if it does.
    pub(super) fn of(error: &std::io::Error) -> Option<Self> {
        use rustls::{AlertDescription as Alert, Error};
        let error = tls::cause(error)?;
        if let Some(flaw) = tls::certificate_flaw(error, "cacertfile in broker.url") {
            return Some(Self::Certificate(flaw));
        }
        match error {
            Error::AlertReceived(
                alert @ (Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::CertificateRequired
                | Alert::NoCertificate
                | Alert::HandshakeFailure),
            ) => Some(Self::Refused(format!("{alert:?}"))),
            _ => None,
        }
    }
}
