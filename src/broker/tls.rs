//! TLS to the broker: whom creditd trusts, and how it shows who it is.
//!
//! The URL's parameters name the files, as with RabbitMQ's own clients. They are read anew for each connection, so
//! that a renewed certificate needs no restart.

use std::path::{Path, PathBuf};

use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use url::Url;

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
                let authorities = read("cacertfile", path, certificates)?;
                RustlsConnectorConfig::default().with_parsable_certificates(authorities)
            }
            None => RustlsConnectorConfig::new_with_native_certs()
                .map_err(|error| format!("the system's authorities can't be read: {error}"))?,
        };
        let Some((certificate, key)) = &self.own else {
            return trusted.connector_with_no_client_auth().map_err(|error| error.to_string());
        };
        let chain = read("certfile", certificate, certificates)?;
        let secret = read("keyfile", key, PrivateKeyDer::from_pem_file)?;
        trusted.connector_with_single_cert(chain, secret).map_err(|error| {
            let (certificate, key) = (certificate.display(), key.display());
            format!("certificate {certificate} and key {key} can't be used together: {error}")
        })
    }
}

/// All certificates in a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
    if found.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(found) }
}

fn read<'p, T>(
    parameter: &str,
    path: &'p Path,
    by: impl Fn(&'p Path) -> Result<T, pem::Error>,
) -> Result<T, String> {
    by(path).map_err(|error| {
        let why = match error {
            pem::Error::Io(error) => error.to_string(),
            pem::Error::NoItemsFound => "there is none in it, as PEM has them".to_owned(),
            // The rest quotes what it found.
            _ => "it isn't PEM".to_owned(),
        };
        format!("{parameter} {} can't be read: {why}", path.display())
    })
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
        use rustls::{AlertDescription as Alert, CertificateError as Bad, Error};
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        match error {
            Error::InvalidCertificate(bad) => Some(Self::Certificate(match bad {
                Bad::UnknownIssuer => {
                    "it is signed by none of the authorities that are trusted (cacertfile in broker.url, or the \
                     system's)"
                        .to_owned()
                }
                Bad::Expired | Bad::ExpiredContext { .. } => format!("it has expired ({bad})"),
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                    format!("it is another server's ({bad})")
                }
                other => other.to_string(),
            })),
            Error::NoCertificatesPresented => Some(Self::Certificate("it has none".to_owned())),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_pem_is_told_by_its_name_and_not_by_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        for content in ["", "s3cret", "-----BEGIN PRIVATE KEY-----\ns3cret!\n-----END PRIVATE KEY-----\n"] {
            std::fs::write(&path, content).unwrap();
            let files = TlsFiles { authorities: Some(path.clone()), own: None };
            let error = files.connector().err().unwrap();
            assert!(error.contains("cacertfile") && error.contains("key.pem"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        let missing = TlsFiles { authorities: Some(directory.path().join("missing")), own: None };
        let error = missing.connector().err().unwrap();
        assert!(error.contains("No such file"), "{error}");
    }
}
