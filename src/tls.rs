//! What TLS to both servers has in common: files in PEM, and what is wrong with a certificate.

use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// All certificates in a file, at least one. `parameter` is what names the file, for whoever reads why there are none.
pub(crate) fn certificates(parameter: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = || {
        let found: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
        if found.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(found) }
    };
    read().map_err(|error| unreadable(parameter, path, &error))
}

/// The private key in a file.
pub(crate) fn key(parameter: &str, path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(parameter, path, &error))
}

/// Says nothing of what is in the file, which may be a key.
fn unreadable(parameter: &str, path: &Path, error: &pem::Error) -> String {
    let why = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "there is none in it, as PEM has them".to_owned(),
        // The rest quotes what it found.
        _ => "it isn't PEM".to_owned(),
    };
    format!("{parameter} {} can't be read: {why}", path.display())
}

/// What rustls says, where that is what an error of a connection is.
pub(crate) fn cause(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Why a server's certificate isn't trusted, if that is it. `authorities` is the parameter that names whom to trust.
pub(crate) fn certificate_flaw(error: &rustls::Error, authorities: &str) -> Option<String> {
    use rustls::CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => Some(match bad {
            Bad::UnknownIssuer => {
                format!(
                    "it is signed by none of the authorities that are trusted ({authorities}, or the system's)"
                )
            }
            Bad::Expired | Bad::ExpiredContext { .. } => format!("it has expired ({bad})"),
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                format!("it is another server's ({bad})")
            }
            other => other.to_string(),
        }),
        rustls::Error::NoCertificatesPresented => Some("it has none".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_pem_is_told_by_its_name_and_not_by_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        let flattened = "-----BEGIN PRIVATE KEY----- s3cret -----END PRIVATE KEY-----";
        let cut = "-----BEGIN PRIVATE KEY-----\ns3cret!\n-----END PRIVATE KEY-----\n";
        for content in ["", "s3cret", cut, flattened] {
            std::fs::write(&path, content).unwrap();
            for error in [certificates("file", &path).unwrap_err(), key("file", &path).unwrap_err()] {
                assert!(error.contains("file ") && error.contains("key.pem"), "{error}");
                assert!(!error.contains("s3cret") && !error.contains("115, 51, 99"), "{error}");
            }
        }
        let error = key("file", &directory.path().join("missing")).unwrap_err();
        assert!(error.contains("No such file"), "{error}");
    }
}
